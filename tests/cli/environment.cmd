# Every option can come from the environment; the command line wins; an empty variable is none.
EFFNET_JSON=1 effnet info b0 | cut -c1-42
EFFNET_JSON=no effnet info b0 | sed -n 1p
EFFNET_JSON= effnet info b0 | sed -n 1p
EFFNET_RESOLUTION=128 effnet info b0 | sed -n 1p
EFFNET_RESOLUTION=128 effnet info b0 --resolution 160x96 | sed -n 1p
EFFNET_PHI=1 EFFNET_ALPHA=1.3 effnet scale | sed -n 1p
EFFNET_NO_SUCH_OPTION=1 effnet info b0 | sed -n 1p
# A wrong value is named with its variable.
EFFNET_JSON=perhaps effnet info b0
EFFNET_RESOLUTION=wide effnet info b0
EFFNET_MIN_TIME=-1 effnet bench b0
EFFNET_CPU=sse9 effnet bench b0

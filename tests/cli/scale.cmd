# One step, a fraction of one, and the range that the paper's models span.
effnet scale --phi 1
effnet scale --phi 0.5 --json
effnet scale --phi 0..7
effnet scale --phi 0..2 --json | cut -c1-120
# Other constants, another base: no figures of the paper beside those.
effnet scale --phi 1..3 --alpha 1.1 --beta 1.2 --gamma 1.1
effnet scale --phi 0..1 --base resnet50
effnet scale --phi 1 --base nonsense

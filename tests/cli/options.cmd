# Each mistake is one line with what was expected; status 2.
effnet info
effnet info b0 b1
effnet info ''
effnet info b0 --jsno
effnet info b0 --nonsense
effnet info b0 --res 64
effnet info b0 --json=1
effnet info b0 --no-json
effnet info b0 -z
effnet info b0 --resolution
effnet info b0 --resolution 0
effnet info b0 --resolution 64x
effnet info b0 --resolution 64x0
effnet info b0 --resolution -64
effnet info b0 --resolution 9000
effnet info b0 --resolution 99999999999999999999
effnet info b0 --classes 0
effnet info b0 --classes -3
effnet info b0 --classes ten
effnet info b0 --classes 10.5
effnet info b0 --classes ''
effnet info b0 --threads 0
effnet info b0 --threads 257
effnet info b0 --cpu sse9
effnet info b0 --seed -1
effnet info b0 --seed 18446744073709551616
effnet info b0 --family caffe
effnet info b0 --train --batch 8 --threads 1 --cpu ref --json | sed "s/.*\(\"training\".*\)/\1/"
effnet bench b0 --dtype int8
effnet bench b0 --features
effnet bench b0 --min-time nan
effnet bench b0 --min-time 1e9
effnet predict b0
effnet predict b0 - -
effnet scale
effnet scale 3
effnet scale fit
effnet scale study nowhere
effnet scale --phi -1
effnet scale --phi=-0.5
effnet scale --phi 1e9
effnet scale --phi x
effnet scale --phi ''
effnet scale --phi 3..1
effnet scale --phi 1..
effnet scale --phi ..3
effnet scale --phi 0.5..2
effnet scale --phi -1..2
effnet scale --phi 1 --alpha 0.9
effnet scale --phi 1 --beta 0
# What is right: the three spellings, the last of several, -- before operands, flags together.
effnet scale --phi=2 --json | cut -c1-42
effnet scale -p2 --json | cut -c1-42
effnet scale --phi 1 -p 2 --json | cut -c1-42
effnet info --json -- b0 | cut -c1-42
effnet info -qv b0 --json | cut -c1-42
effnet info b0 --threads=256 --seed 18446744073709551615 --cpu ref --progress --no-progress --json | cut -c1-42

# Training that does not fit is refused before it starts, with what would fit.
effnet bench b0 --train --batch 64 --threads 1 --cpu ref --memory 1G
effnet bench b0 --train --batch 8 --threads 1 --cpu ref --memory 150M
effnet bench b0 --train --batch 8 --threads 1 --cpu ref --memory 10M
effnet bench b0 --train --batch 8 --threads 1 --cpu ref --memory 200M --recompute
effnet bench b0 --recompute
effnet bench b0 --train --memory lots
effnet bench b0 --memory 1G
effnet bench b0 --train --profile

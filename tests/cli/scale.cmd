# One step, a fraction of one, and the range that the paper's models span.
effnet scale --phi 1
effnet scale --phi 0.5 --json
effnet scale --phi 0..7
effnet scale --phi 0..2 --json | cut -c1-120
# Other constants, another base: no figures of the paper beside those.
effnet scale --phi 1..3 --alpha 1.1 --beta 1.2 --gamma 1.1
effnet scale --phi 0..1 --base resnet50
effnet scale --phi 1 --base nonsense
# The paper's scaled networks, counted; the picture of what was published.
effnet scale --table 3
effnet scale --table 7
effnet scale --table 3 --json | tr '{' '\n' | grep -c '"verdict": "swapped"'
effnet scale --phi 6 --json | sed 's/.*"released"/"released"/'
effnet scale --plot p.svg
grep -c -e '>B7<' -e '>GPipe<' p.svg
effnet scale --plot none/p.svg
effnet scale --table 4
effnet scale --table 3 --phi 1
effnet scale

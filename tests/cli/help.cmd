# The help of the program and of each command, on stdout, status 0.
effnet --help
effnet --version
effnet info --help
effnet scale --help
effnet convert --help
effnet predict --help
effnet eval --help
effnet advise --help
effnet data --help
effnet data synth --help
effnet bench --help
effnet pull --help
# Three more ways to ask, with the same answer; help is given even beside mistakes.
effnet -h | sed -n 1p
effnet help | sed -n 1p
effnet help bench | sed -n 1p
effnet help data synth | sed -n 1p
effnet predict --tpo 3 -h | sed -n 1p
# Mistakes before any command: one line, status 2.
effnet
effnet inof
effnet train --help
effnet quux
effnet --json info b0
effnet help quux

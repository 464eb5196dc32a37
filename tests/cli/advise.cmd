# What cannot be advised on, each in one line.
effnet advise
effnet advise none
mkdir empty; effnet advise empty
effnet data synth s --classes 3 --train 8 --val 3 --size 64 --quiet > /dev/null
effnet advise s --memory much
effnet advise s --time soon
effnet advise s --within never
effnet advise s --from none.pth
echo text > text.pth; effnet advise s --from text.pth
effnet advise s --from b0
# Nothing at hand: from scratch, with what to obtain; what is measured differs from machine to machine.
effnet advise s --time 0.5s --json | tr '{' '\n' | sed -n 's/^\("recommended.*\), "variants.*/\1/p; s/^\("model": "efficientnet-\(b3\|lite1\)", .*"pretrained": false\).*\("note.*"\)}.*/\1 \3/p'
mkdir 'two words'; mv s/* 'two words'; effnet advise 'two words' --time 0.5s | grep -e '^recommended' -e '^  effnet train' | sed 's/about .* of training and .* of memory/.../'
mv two*/* s
# Weights at hand: in a folder, where what is none is passed over; the answer starts from them however little fits.
effnet train s --model b0@width=0.1,depth=0.1,resolution=32 -e 1 -o r --quiet > /dev/null; mkdir w; cp r/model.effnet w/mine.effnet; cp text.pth w
effnet advise s --time 0.5s --from w --json | tr '{' '\n' | sed -n 's/^\("recommended.*"\), "variants.*/\1/p'
effnet advise s --time 0.5s --from w/mine.effnet --memory 1M --within 1s | grep -e 'memory: even' -e 'time: even' -e '^recommended' | sed 's/takes .*/.../; s/about .* of training and .*/.../'

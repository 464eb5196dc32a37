# a set of our own, and a network small enough to train in a blink
effnet data synth s --classes 3 --train 6 --val 3 --size 40 --quiet
effnet train s --model b0@width=0.1,depth=0.1,resolution=32 --dry-run
effnet train s --model b0@width=0.1,depth=0.1,resolution=32 --recipe paper --dry-run --quiet --set epochs=3,lr=0.5,optimizer=sgd --augment cloth,rotate=2 | head -12
# trained, and what is left behind
effnet train s --model b0@width=0.1,depth=0.1,resolution=32 -e 2 -o r --quiet | sed 's/[0-9.]\+ %.*/... %/'
ls r | sed 's/tfevents\..*/tfevents.../'
head -n 1 r/log.csv
head -n 2 r/split.csv | sed 's,.*/s/train/,.../,'
effnet eval r/model.effnet s/val --json | sed 's/^.\("n": [0-9]*\).*/\1/'
effnet train --resume r --quiet | sed 's/[0-9.]\+ %.*/... %/'
effnet train s --model b0@width=0.1,depth=0.1,resolution=32 -e 2 -o r --quiet
# weights at hand: transfer, and the classifier alone
effnet train s --from r/model.effnet --recipe linear -o lin --quiet | sed 's/[0-9.]\+ %.*/... %/'
effnet train r/split.csv --from r/model.effnet -e 1 -o tr --time 1h --memory 60M --quiet | sed 's/[0-9.]\+ %.*/... %/'
# what cannot be trained on, each with its reason
mkdir -p h/a h/b h/empty h/one single/a
for c in s/train/*/; do for i in 0 1 2 3; do cp $c/000$i.jpg h/a/$(basename $c)$i.jpg; cp $c/000$((i + 1)).jpg h/b/$(basename $c)$i.jpg; printf x >> h/b/$(basename $c)$i.jpg; done; done
cp h/a/* single/a/; cp s/val/$(ls s/val | head -n 1)/0000.jpg h/one/lonely.jpg
: > h/a/nothing.jpg; head -c 700 h/one/lonely.jpg > h/a/cut.jpg; echo text > h/a/notes.txt; ln -s . h/a/loop; mkfifo h/b/pipe.jpg
printf x > "$(printf 'h/b/new\nline.jpg')"
effnet train h --model b0@width=0.1,depth=0.1,resolution=32 --dry-run 2>&1 >/dev/null | sort
effnet train single --dry-run --quiet
effnet train none --dry-run --quiet
effnet train h/a/nothing.jpg --dry-run --quiet
# options
effnet train s --recipe best
effnet train s --model b0@width=0.1 --quiet --set warmpu=1
effnet train s --model b0@width=0.1 --quiet --set lr=fast
effnet train s --model b0@width=0.1 --quiet --set lr
effnet train s --model b0@width=0.1 --quiet --augment clothes
effnet train s --model b0@width=0.1 --quiet --augment cloth,rotate=900
effnet train s --time soon
effnet train s --memory much
effnet train s --memory 1M --model b0@width=0.1,depth=0.1,resolution=32 -o never
ls never
effnet train s --recipe transfer --model b0@width=0.1
effnet train s --from none.pth
effnet train s --model b99
effnet train
effnet train s more
effnet train --resume none
effnet train s --resume r
# a learning rate that breaks everything is said, and the run ends
effnet train s --model b0@width=0.1,depth=0.1,resolution=32 -e 3 --batch 4 --lr 1e6 -o broken --quiet 2>&1 | sed 's/with .*/with .../; s/loss [^)]*/loss .../'

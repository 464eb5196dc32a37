# Files, a folder, standard input; names of classes; the result does not depend on threads or batches.
synth model small.effnet
synth png 60 80 1 a.png
synth png 64 64 2 b.png
mkdir -p photos/more photos/empty
synth png 50 50 3 photos/z.PNG
synth jpeg 70 90 4 photos/more/y.jpg
echo 'not an image' >photos/notes.txt
effnet predict small.effnet a.png
effnet predict small.effnet a.png b.png --top 2
effnet predict small.effnet photos -k 1
effnet predict small.effnet -k1 - b.png <a.png
effnet predict small.effnet -k1 photos - missing.png <a.png
effnet predict small.effnet a.png -k 1000 | wc -l
printf 'zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine, the last\n' >names.txt
effnet predict small.effnet a.png --classes names.txt
effnet predict small.effnet a.png b.png photos --threads 1 --batch 1 --logits --json >one
effnet predict small.effnet a.png b.png photos --threads 3 --batch 3 --logits --json >many
cmp one many && wc -l <one
effnet predict small.effnet a.png --json -k 1 | sed 's/[0-9]\.[0-9e-]*/N/g'
effnet predict small.effnet a.png --json -k 1 --logits | sed 's/-*[0-9]*\.[0-9e-]*/N/g'
# Another rule for the pictures: it gives other scores, at another size of input too.
effnet predict small.effnet a.png -k 1 --preprocess square=0.875,size=48,filter=bilinear >48; head -1 48
effnet predict small.effnet a.png -k 1 --resolution 64 | sed -n 1p
# Names that are not text cannot break a line of JSON or a terminal.
cp a.png "$(printf 'new\nline.png')"; cp a.png "$(printf 'esc\033[2J.png')"; cp a.png "$(printf 'bad\377.png')"
effnet predict small.effnet -k 1 new* esc* | grep png
effnet predict small.effnet -k 1 --json new* esc* bad* | cut -c1-30

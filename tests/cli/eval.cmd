# Folders of classes and a list give the same figures; unreadable images are left out, status 3.
synth model small.effnet
mkdir -p set/0 set/2 set/7
for i in 1 2 3 4; do synth png 40 4$i $i set/0/$i.png; synth png 5$i 40 2$i set/2/$i.png; synth png 60 6$i 3$i set/7/$i.png; done
effnet eval small.effnet set
effnet eval small.effnet set --json >folders
(echo 'file	class'; cd set; for f in */*.png; do printf '%s\t%s\tmore\n' $f ${f%%/*}; done) >set/list.tsv
effnet eval small.effnet set/list.tsv --json >list
cmp folders list
sed 's/, "loss.*//; s/\(\.[0-9][0-9][0-9][0-9]\)[0-9]*/\1/g' list
grep -o '"confusion": .*' list
printf 'missing.png\t3\n' >>set/list.tsv
effnet eval small.effnet set/list.tsv | sed -n 1,3p
effnet eval small.effnet set/list.tsv --json 2>&1 >/dev/null | sed -n 1p
effnet eval small.effnet set/list.tsv --json 2>/dev/null | grep -o '"errors": [^]]*]'

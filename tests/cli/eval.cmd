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
# A report: one file, whole or not there; the images in it come from the set.
effnet eval small.effnet set --report report.html | tail -1
head -c 15 report.html; grep -c '<svg' report.html; grep -o 'base64,' report.html | wc -l; grep -o '<b>33.3.*' report.html; grep -o '<bdi>set/0/1.png' report.html
grep -cE '<script|http-equiv="refresh"|href=|src="[^d]' report.html
effnet eval small.effnet set/list.tsv --report report.html --json 2>/dev/null | grep -oE '"report": "[a-z.]*"'
grep -o '<td><bdi>set/missing.png.*' report.html
effnet eval small.effnet set --report nowhere/report.html | sed -n 3p
effnet eval small.effnet set --report nowhere/report.html >/dev/null
effnet eval small.effnet set --report small.effnet
ls
# A model with a temperature: the same answers, another confidence.
synth trained trained.effnet
effnet eval trained.effnet set | sed -n 3,7p
effnet eval trained.effnet set --json | grep -oE '"(top1|temperature|plain_ece)": [0-9.]{3}'
effnet eval trained.effnet set --json | grep -oE '"bins": .{100}|"worst": .{110}' | sed 's/\(\.[0-9][0-9][0-9]\)[0-9]*/\1/g'
effnet predict small.effnet set/0/1.png --top 2 | sed 1d
effnet predict trained.effnet set/0/1.png --top 2 | sed 1d

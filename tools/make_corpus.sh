#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes the seeds of the fuzz targets of files and options to fuzz/corpus: `sh tools/make_corpus.sh [BUILD]`
# (the folder of a build with tests; default: the release build, which it makes).
# Seeds come from the golden checkpoints and from what the library writes itself, and are the same every time. Inputs
# that fuzzing found (found_*) are left as they are.
set -u
me=make_corpus
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

if [ $# -eq 0 ]; then
    build release
    set -- "$root/$(build_dir release)"
fi
corpus=$root/fuzz/corpus

# seed TARGET/NAME FORMAT: what printf makes of the format.
seed()
{
    # shellcheck disable=SC2059 # the second argument is the format
    printf "$2" > "$corpus/$1"
}

for target in safetensors pytorch bundle pickle onnx model modelfile table classes filelist csv options run constants space; do
    mkdir -p "$corpus/$target" || exit 1
done
"$1/tests/tool_seeds" "$corpus" || exit 1

# a header, a zero byte, data
seed safetensors/f32 '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}\000abcdefgh'
seed safetensors/all_types '{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1,1],"data_offsets":[4,6]},"c":{"dtype":"U8","shape":[2],"data_offsets":[6,8]},"d":{"dtype":"F64","shape":[],"data_offsets":[8,16]},"e":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},"f":{"dtype":"I32","shape":[],"data_offsets":[24,28]},"g":{"dtype":"I16","shape":[1],"data_offsets":[28,30]},"h":{"dtype":"I8","shape":[1],"data_offsets":[30,31]},"i":{"dtype":"BOOL","shape":[1],"data_offsets":[31,32]}}\000abcdefghijklmnopqrstuvwxyz012345'
seed safetensors/empty_shape '{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}}'
seed safetensors/metadata '{"__metadata__":{"format":"pt","effnet":"{}"},"w":{"dtype":"U8","shape":[1,2,1],"data_offsets":[0,2]}}\000ab'
seed safetensors/foreign '{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}\000a'
seed safetensors/huge_shape '{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}\000abcdefgh'
seed safetensors/short '\000abc'
seed safetensors/dtype_object '{"a":{"dtype":{},"shape":[2],"data_offsets":[0,8]}}'
seed safetensors/dtype_true '{"a":{"dtype":true,"shape":[2],"data_offsets":[0,8]}}'
seed safetensors/dtype_false '{"a":{"dtype":false,"shape":[2],"data_offsets":[0,8]}}'
seed safetensors/dtype_null '{"a":{"dtype":null,"shape":[2],"data_offsets":[0,8]}}'
seed safetensors/real_offset '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1.5]}}'
seed safetensors/no_shape '{"a":{"dtype":"U8","data_offsets":[0,8]}}'
seed safetensors/same_place '{"b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}\000x'
seed safetensors/same_twice '{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}\000x'
seed safetensors/metadata_number '{"__metadata__":{"format":1}}'

# a block's compression, then its keys, restart points and their number
seed bundle/empty '\000\000\000\000\000'
seed bundle/header '\000\000\000\006\010\001\032\002\010\001\000\000\000\000\001\000\000\000'
seed bundle/big_endian '\000\000\000\004\010\001\020\001\000\000\000\000\001\000\000\000'
seed bundle/compression '\002\000\000\000\000'
seed bundle/bomb '\001\377\377\377\007x'

# a pickle of protocol 2: one of each opcode that checkpoints use
seed pickle/literals '\200\002(NK\001M\002\000J\003\000\000\000\212\001\177\212\000\213\002\000\000\000ab\210\211G?\360\000\000\000\000\000\000X\001\000\000\000aT\001\000\000\000bU\001cB\001\000\000\000dC\001et.'
seed pickle/protocol4 '\200\004\225\020\000\000\000\000\000\000\000\214\001a\224\215\001\000\000\000\000\000\000\000b\216\001\000\000\000\000\000\000\000c\207\224.'
seed pickle/containers '\200\002]q\000(h\000K\001e}r\001\000\000\000(K\001j\001\000\000\000u\217(K\001\220)\2052\206010(l(d(t\221\207.'
seed pickle/objects '\200\002ctorch._utils\n_rebuild_tensor_v2\n)R}bccollections\nOrderedDict\n)\201(X\001\000\000\000kK\001uN\205Q\207.'
seed pickle/stack_global '\200\004\214\005torch\214\004Size\223K\001\205\205R}\222.'
seed pickle/hostile '\200\002cos\nsystem\nU\002ls\205R.'
seed pickle/shared '\200\002]q\000(h\000h\000e]q\001(h\000h\001e\206.'

# blanks in front of JSON: the first bytes say what a file is
seed model/table ' {"stages":[{"op":"conv","channels":8}],"resolution":16}'
seed model/text 'no model at all, only text'
seed model/hdf5 '\000\211HDF\r\n\032\n        '

seed modelfile/missing '{"schema":"effnet-model","version":1}'
seed modelfile/newer '{"schema":"effnet-model","version":2,"table":{"stages":[]}}'

seed table/short '{"stages":[{"op":"mbconv","channels":16,"repeats":2,"se":0.25},{"op":"bottleneck","channels":32,"act":"relu"}]}'
seed table/every '{"name":"x","stem":{"channels":8,"kernel":5,"stride":1,"pool":true,"fixed":true},"head":{"channels":0,"fixed":true},"act":"hswish","padding":"symmetric","bn":{"eps":1e-5,"momentum":0.1},"divisor":4,"round_up_90":false,"resolution":[32,24],"classes":3,"dropout":0.5,"drop_path":0.2,"width":2.5,"depth":0.5,"stages":[{"op":"dsconv","kernel":5,"stride":2,"channels":8,"repeats":3,"act":"none","skip":true,"fixed_repeats":true},{"op":"fused","channels":8,"expand":2,"expand_from":4},{"op":"basic","channels":8}]}'

# the first byte is the number of classes less one
seed classes/plain '\002cat\ndog, hound\ncup\n'
seed classes/indexed '\001class\tname\r\n1\tdog\r\n0\tcat\r\n\r\n'
seed classes/ids '\001\357\273\277index\tid\tname\n0\tn01\tcat\n1\tn02\t\303\251t\303\251'
seed classes/empty_line '\001cat\n\ndog'
seed classes/twice '\0010\tcat\n0\tdog'

seed filelist/plain 'file\tclass\n# a comment\na.jpg\tcat\nb/c.png\t3\n/d.webp\thound\textra\n'
seed filelist/crlf '\357\273\277x\tdog\r\ny\tn01\r\n'
seed filelist/unknown 'x\tbird\n'
seed filelist/no_tab 'x cat\n'

seed csv/plain 'path,label\na.jpg,cat\nb.jpg,dog\n'
seed csv/forms '\357\273\277"split", LABEL ,note,path\r\ntrain,cat,"two\r\nlines",0.jpg\r\n\r\nval, dog ,,"a, ""b"".jpg"\r\ntest,dog,, 2.jpg'
seed csv/repeated 'path,label,group,split\na.jpg,cat,g1,train\na.jpg,cat,g1,train\n./b.jpg,"dog, hound",,val\n'
seed csv/open_quote 'path,label\n"0.jpg,a\n'
seed csv/behind_quote 'path,label\n"0.jpg"x,a\n'
seed csv/zero 'path,label\n0.jpg,a\000b\n'
seed csv/half_split 'path,label,split\n/abs.jpg,a,train\nb.jpg,a,\n'
seed csv/too_many 'path,label\n0.jpg,a,b\n'
seed csv/old_mac 'path,label\r0.jpg,a\r'
seed csv/wide "$(seq -s, 70)\n"

seed options/builtin 'b0@width=1.4,depth=0.5,resolution=64x48,classes=10,divisor=4,dropout=0.2,drop_path=0.1,padding=symmetric,eps=1e-5,momentum=0.1,name=mine'
seed options/spellings 'tf_efficientnetv2_b0@resolution=32'
seed options/width 'mobilenetv2_140'
seed options/decimal_width 'mobilenetv1-0.25'
seed options/typo 'efficentnet-b9'
seed options/rule_short 'short=256,filter=bicubic,crop=224,mean=127,std=128'
seed options/rule_square 'square=0.875,filter=tf2-bilinear-aa,size=240x200,mean=1.5:2:-3e2,std=1:2:4'
seed options/rule_squash 'squash=32,crop=32,filter=lanczos'
seed options/augment_keys 'none,scale=0.5:1,ratio=0.75:1.5,pad=3,hflip=.5,vflip=1,rotate=30,brightness=.4,contrast=.4,saturation=.4,hue=.5,erase=1,filter=lanczos'
seed options/augment_rand 'randaugment,policy=rand-increasing,ops=16,magnitude=10,filter=bilinear'
seed options/augment_policy 'light,policy=original'
seed options/augment_preset 'cloth'
seed options/augment_typo 'clot,rotat=5'
seed options/family 'timm_tf'
seed options/family_typo 'torchvison'

seed run/args '{"schema":"effnet-run","version":1,"settled":true,"data":"sarees","weights":"lite0.pth","fingerprint":"0","seed":"7","memory_bytes":0,"time_seconds":0.0,"recipe":"transfer","values":{"head-first":"1","epochs":"12","batch":"32","micro-batch":"8","recompute":"0","open-blocks":"-1","optimizer":"adamw","lr":"0.001","lr-final":"0.01","schedule":"cosine","warmup":"2","decay-rate":"0.97","decay-epochs":"2.4","layer-decay":"1","momentum":"0.9","weight-decay":"0.02","decay-on":"matrices","clip":"0","frozen-bn":"1","bn-momentum":"0.01","ema":"0.98","label-smoothing":"0.1","class-weights":"0","mixup":"0","cutmix":"0","dropout":"0.2","drop-path":"0","patience":"0","keep":"best","resolution":"0","augment":"none,scale=0.65:1,hflip=0.5"},"why":{"lr":"usual"}}'
seed run/args_no_epochs '{"schema":"effnet-run","version":1,"settled":true,"data":"sarees","weights":"lite0.pth","fingerprint":"0","seed":"7","memory_bytes":0,"time_seconds":0.0,"recipe":"transfer","values":{"head-first":"1","batch":"32","micro-batch":"8","recompute":"0","open-blocks":"-1","optimizer":"adamw","lr":"0.001","lr-final":"0.01","schedule":"cosine","warmup":"2","decay-rate":"0.97","decay-epochs":"2.4","layer-decay":"1","momentum":"0.9","weight-decay":"0.02","decay-on":"matrices","clip":"0","frozen-bn":"1","bn-momentum":"0.01","ema":"0.98","label-smoothing":"0.1","class-weights":"0","mixup":"0","cutmix":"0","dropout":"0.2","drop-path":"0","patience":"0","keep":"best","resolution":"0","augment":"none,scale=0.65:1,hflip=0.5"},"why":{"lr":"usual"}}'
seed run/args_seed '{"schema":"effnet-run","version":1,"settled":true,"data":"sarees","weights":"lite0.pth","fingerprint":"0","seed":"7x","memory_bytes":0,"time_seconds":0.0,"recipe":"transfer","values":{"head-first":"1","epochs":"12","batch":"32","micro-batch":"8","recompute":"0","open-blocks":"-1","optimizer":"adamw","lr":"0.001","lr-final":"0.01","schedule":"cosine","warmup":"2","decay-rate":"0.97","decay-epochs":"2.4","layer-decay":"1","momentum":"0.9","weight-decay":"0.02","decay-on":"matrices","clip":"0","frozen-bn":"1","bn-momentum":"0.01","ema":"0.98","label-smoothing":"0.1","class-weights":"0","mixup":"0","cutmix":"0","dropout":"0.2","drop-path":"0","patience":"0","keep":"best","resolution":"0","augment":"none,scale=0.65:1,hflip=0.5"},"why":{"lr":"usual"}}'
seed run/progress '\000{"epoch":1,"step":3,"steps":10,"loss_sum":4.5,"counted":3,"seen":24,"hits":9,"skipped":0,"in_a_row":0,"rollbacks":0,"lr_factor":1.0,"best_epoch":1,"best_top1":0.5,"best_loss":1.25,"seconds":2.5,"head_accuracy":0.0,"head_l2":-1.0,"fingerprint":"0123456789abcdef","rows":[[1,0.01,1.5,0.25,1.4,0.5,2.5,30]]}'
seed run/progress_null '\000{"epoch":1,"step":3,"steps":10,"loss_sum":4.5,"counted":3,"seen":24,"hits":9,"skipped":0,"in_a_row":0,"rollbacks":0,"lr_factor":1.0,"best_epoch":1,"best_top1":0.5,"best_loss":1.25,"seconds":2.5,"head_accuracy":0.0,"head_l2":-1.0,"fingerprint":"0123456789abcdef","rows":[[1,0.01,1.5,0.25,null,0.5,2.5,30]]}'
seed run/progress_epoch '\000{"epoch":21,"step":3,"steps":10,"loss_sum":4.5,"counted":3,"seen":24,"hits":9,"skipped":0,"in_a_row":0,"rollbacks":0,"lr_factor":1.0,"best_epoch":1,"best_top1":0.5,"best_loss":1.25,"seconds":2.5,"head_accuracy":0.0,"head_l2":-1.0,"fingerprint":"0123456789abcdef","rows":[[1,0.01,1.5,0.25,1.4,0.5,2.5,30]]}'
seed run/progress_row '\000{"epoch":1,"step":3,"steps":10,"loss_sum":4.5,"counted":3,"seen":24,"hits":9,"skipped":0,"in_a_row":0,"rollbacks":0,"lr_factor":1.0,"best_epoch":1,"best_top1":0.5,"best_loss":1.25,"seconds":2.5,"head_accuracy":0.0,"head_l2":-1.0,"fingerprint":"0123456789abcdef","rows":[[1,2,3]]}'

seed constants/alone '{"alpha":1.2,"beta":1.1,"gamma":1.15}'
seed constants/fit '{"best":[{"alpha":1.1,"beta":1,"gamma":1.3,"product":1.859},{"alpha":2}],"trials":[]}'
seed constants/below '{"alpha":0.9,"beta":1.1,"gamma":1.15}'
seed constants/text '{"best":[{"alpha":"1.1","beta":1,"gamma":1.3}]}'
seed constants/none '{"best":[]}'
seed constants/twice '{"alpha":1.2,"alpha":1.3,"beta":1.1,"gamma":1.15}'

# after a zero byte, a child
seed space/child '{"name":"c","base":{"stem":{"channels":8},"divisor":4,"resolution":32,"classes":3,"stages":[{"op":"mbconv","channels":8},{"op":"conv","channels":12,"repeats":2}]},"choices":{"filters":[0.75,1,1.5]},"stages":[{"se":[0,0.25]},{"op":["conv","fused"],"layers":[-1,0]}]}\00011-021'
seed space/child_wrong '{"base":"lite0@width=0.1","stages":[{"kernel":[3,5,7]},{"skip":[true,false]},{},{},{},{},{}]}\0002-2'
seed space/every '{"name":"e","base":{"stem":{"channels":8},"divisor":2,"round_up_90":false,"drop_path":0.2,"resolution":[32,24],"stages":[{"op":"fused","channels":8,"se":0.25,"expand_from":12},{"op":"dsconv","channels":16,"stride":2,"skip":true},{"op":"basic","channels":16},{"op":"mbconv","channels":24,"fixed_repeats":true,"act":"none"}]},"choices":{"op":["conv","dsconv","mbconv","fused"],"kernel":[1,3,31],"expand":[1,1.01,6.5,64],"se":[0,0.25,16],"skip":[false,true],"filters":[0.01,0.99,1,3],"layers":[-1000,-1,0,2]},"stages":[{},{"kernel":[3],"fixed":false},{"fixed":true},{}]}'
seed space/alike '{"base":"mobilenetv1@width=0.1","stages":[{"expand":[1,6]},{"fixed":true},{"fixed":true},{"fixed":true},{"filters":[1,1.001]}]}'
seed space/residual '{"base":"resnet18","choices":{"kernel":[3,5]}}'
seed space/too_large '{"base":"b0","choices":{"filters":[1,100],"layers":[0,1000]}}'
seed space/operator '{"base":"b0","choices":{"op":["mbconv","fuse"]}}'
seed space/twice '{"base":"b0","choices":{"se":[0,0.0]}}'
seed space/nothing '{"base":"b0"}'

say "$(find "$corpus" -type f | wc -l) seeds in fuzz/corpus"

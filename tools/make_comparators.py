#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random weights and logits of the comparator networks, made by torchvision and timm themselves.

usage: make_comparators.py full OUT_DIR [NAME...]    every network at its published size (6 GB in all, half an hour)
       make_comparators.py small OUT_DIR [NAME...]   the narrow ones of tests/data/comparators, 10 classes, float16
       make_comparators.py names OUT_DIR             state-dict names and shapes, tests/data/comparators/names_*.tsv

Run by hand in a throw-away environment with torch, torchvision, timm, safetensors and numpy; nothing that is built or
tested needs it. `sh tools/check_comparators.sh OUT_DIR` then holds effnet against what was written. The files given
here were made with torch 2.13.0, torchvision 0.28.0, timm 1.0.31.

Per network: NAME.pth or NAME.safetensors, and per size NAME_HxW.npy, float64 [2][classes]: the float32 run and the
float64 run on the formula picture synth(H, W, 1), ImageNet normalisation. summary.tsv says, tab-separated: file,
options for `effnet convert` ("-" = none), the architecture that `effnet info` must name, H, W, the .npy, and for the
record the std over classes, the library's own float32 deviation, what a BN epsilon of the other convention (1e-3, 1e-5)
would change and how far another picture's logits lie, the last three in std.

Running statistics come from four formula pictures under the random weights, so activations keep their size and
pictures their differences through the depth; convolutions are drawn small enough that a wrong epsilon shows.
"""
import os
import sys
from functools import partial

import numpy as np
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
ODD = (131, 97)


def synth(h, w, salt):
    """The formula picture: integers only, so that any language gives the same bytes; uint8 [h][w][3]."""
    y, x = np.mgrid[0:h, 0:w].astype(np.int64)
    planes = []
    for c in range(3):
        ramp = (3 * x + 2 * y + 70 * c + 37 * salt) % 512
        wave = (x * y // 16 + 5 * y * (c + 1) - 3 * x + 101 * salt) % 512
        planes.append(np.minimum(255, (abs(ramp - 256) + abs(wave - 256)) // 2))
    return np.stack(planes, -1).astype(np.uint8)


def picture(h, w, salt):
    x = (synth(h, w, salt).astype(np.float32) / np.float32(255) - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)[None]))


# ------------------------------------------------------------------------------------------------------ weights
def randomise(model, seed):
    g = torch.Generator().manual_seed(seed)
    draw = lambda t, scale: t.normal_(0, 1, generator=g).mul_(scale)
    gain = 2.0 if any(isinstance(m, nn.ReLU6) for m in model.modules()) else 1.0  # so that 6 is exceeded
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.Conv2d):
                squeeze = m.bias is not None
                fan = m.weight[0].numel()
                draw(m.weight, (1.0 if squeeze else 0.15) * fan ** -0.5)
                if squeeze:
                    draw(m.bias, 0.5)
            elif isinstance(m, nn.BatchNorm2d):
                m.weight.uniform_(0.6 * gain, 1.4 * gain, generator=g)
                draw(m.bias, 0.3 * gain)
            elif isinstance(m, nn.Linear):
                draw(m.weight, m.in_features ** -0.5)
                draw(m.bias, 0.1)


def calibrate(model, h, w):
    """Statistics of every norm's input, first to last, on pictures of the size at which the network is run: larger
    formula pictures have finer detail. Half of the mean variance is added so that a channel which hardly varies on
    these pictures does not blow up on others."""
    def measure(m, inputs):
        x = inputs[0]
        var = x.var((0, 2, 3))
        m.running_mean.copy_(x.mean((0, 2, 3)))
        m.running_var.copy_(var + 0.5 * var.mean())

    model.eval()
    hooks = [m.register_forward_pre_hook(measure) for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        model(torch.cat([picture(h, w, salt) for salt in (2, 3, 4, 5)]))
    for hook in hooks:
        hook.remove()


def halve(model):
    """Round everything to half precision, in which it is then stored."""
    for t in model.state_dict().values():
        if t.is_floating_point():
            t.copy_(t.half().float())


def save(model, path, half):
    state = {k: (v.half() if half and v.is_floating_point() else v).contiguous().clone()
             for k, v in model.state_dict().items() if not (half and k.endswith('num_batches_tracked'))}
    if path.endswith('.pth'):
        torch.save(state, path)
    else:
        save_file(state, path, metadata={'format': 'pt'})


# ------------------------------------------------------------------------------------------------------- logits
def logits(model, h, w, salt=1):
    with torch.no_grad():
        dtype = next(model.parameters()).dtype
        return model(picture(h, w, salt).to(dtype))[0].double().numpy()


def make(out, entry, half):
    name, build, suffix, options, network, sizes, native = entry
    model = build()
    seed = sum(ord(c) * (i + 1) for i, c in enumerate(name))
    randomise(model, seed)
    calibrate(model, *((96, 80) if half else native))
    if half:
        halve(model)
    file = name + suffix
    save(model, os.path.join(out, file), half)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    single = {s: logits(model, *s) for s in sizes}
    eps = norms[0].eps
    odd = sizes[-1]
    for m in norms:
        m.eps = 1e-3 if eps < 1e-4 else 1e-5
    other_eps = logits(model, *odd)
    for m in norms:
        m.eps = eps
    other_picture = logits(model, *odd, salt=6)
    model.double()
    rows = []
    for s in sizes:
        double = logits(model, *s)
        std = double.std()
        npy = '%s_%dx%d.npy' % ((name,) + s)
        np.save(os.path.join(out, npy), np.stack([single[s], double]))
        rows.append([file, options or '-', network, str(s[0]), str(s[1]), npy, '%.4g' % std,
                     '%.2g' % (abs(single[s] - double).max() / std),
                     '%.2g' % (abs(other_eps - single[odd]).max() / std),
                     '%.2g' % (abs(other_picture - single[odd]).max() / std)])
        print('\t'.join(rows[-1]), flush=True)
    return rows


# ------------------------------------------------------------------------------------------------ full networks
def full():
    tv, tm = torchvision.models, timm.create_model
    n = []

    def add(lib, name, network, size, options=''):
        build = (lambda: getattr(tv, name)()) if lib == 'torchvision' else (lambda: tm(name))
        n.append((lib + '_' + name, build, '.pth' if lib == 'torchvision' else '.safetensors', options, network,
                  [(size, size), ODD], (size, size)))
    for d in (18, 34, 50, 101, 152):
        add('torchvision', 'resnet%d' % d, 'resnet%d' % d, 224)
        add('timm', 'resnet%d' % d, 'resnet%d' % d, 224, '--family timm')
    add('timm', 'mobilenetv1_100', 'mobilenetv1-1.0', 224)
    add('timm', 'mobilenetv1_125', 'mobilenetv1-1.25', 224)
    for w, ours in (('035', 'mobilenetv2_035'), ('050', 'mobilenetv2_050'), ('100', 'mobilenetv2-1.0'),
                    ('140', 'mobilenetv2-1.4')):
        add('timm', 'mobilenetv2_' + w, ours, 224)
    add('torchvision', 'mobilenet_v2', 'mobilenetv2-1.0', 224)
    add('timm', 'mnasnet_100', 'mnasnet-b1', 224)
    add('timm', 'mnasnet_050', 'mnasnet_050', 224)
    add('timm', 'semnasnet_100', 'mnasnet-a1', 224)
    add('timm', 'semnasnet_075', 'semnasnet_075', 224)
    for a, ours in (('0_5', 'mnasnet_050'), ('0_75', 'mnasnet_075'), ('1_0', 'mnasnet-b1'), ('1_3', 'mnasnet_130')):
        add('torchvision', 'mnasnet' + a, ours, 224)
    for k, size in (('s', 224), ('m', 240), ('l', 300)):
        add('timm', 'efficientnet_e' + k, 'efficientnet-edgetpu-' + k, size, '--family timm')
        add('timm', 'tf_efficientnet_e' + k, 'efficientnet-edgetpu-' + k, size, '--family timm_tf')
    for k, size in (('b0', 224), ('b1', 240), ('b2', 260), ('b3', 300), ('s', 384), ('m', 480), ('l', 480),
                    ('xl', 512)):
        add('timm', 'tf_efficientnetv2_' + k, 'efficientnet-v2-' + k, size, '--family timm_tf')
    for k, size in (('s', 384), ('m', 416)):
        add('timm', 'efficientnetv2_' + k, 'efficientnet-v2-' + k, size, '--family timm')
    for k, size in (('s', 384), ('m', 480), ('l', 480)):
        add('torchvision', 'efficientnet_v2_' + k, 'efficientnet-v2-' + k, size)
    add('timm', 'efficientnet_b8', 'efficientnet-b8', 672, '--family timm')
    add('timm', 'tf_efficientnet_b8', 'efficientnet-b8', 672, '--family timm_tf')
    add('timm', 'tf_efficientnet_l2', 'efficientnet-l2', 800, '--family timm_tf')
    return n


# ---------------------------------------------------------------------------------------------- narrow networks
CLASSES = 10
NARROW = (75, 53)  # odd at every stage


class NarrowResNet(torchvision.models.ResNet):
    """torchvision's blocks and forward pass at widths that its constructor does not offer."""
    def __init__(self, block, layers, planes):
        super().__init__(block, [1, 1, 1, 1], num_classes=CLASSES)
        self.inplanes, self.dilation = 16, 1
        self.conv1 = nn.Conv2d(3, 16, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        for i in range(4):
            setattr(self, 'layer%d' % (i + 1), self._make_layer(block, planes[i], layers[i], stride=2 if i else 1))
        self.fc = nn.Linear(planes[3] * block.expansion, CLASSES)


def torchvision_v2():
    from torchvision.models.efficientnet import EfficientNet, FusedMBConvConfig as F, MBConvConfig as M
    rows = [F(1, 3, 1, 8, 8, 2), F(4, 3, 2, 8, 8, 2), F(4, 3, 2, 8, 16, 1), M(4, 3, 2, 16, 16, 2),
            M(6, 3, 1, 16, 24, 2), M(6, 3, 2, 24, 32, 2)]
    return EfficientNet(rows, 0.2, num_classes=CLASSES, last_channel=96, norm_layer=partial(nn.BatchNorm2d, eps=1e-3))


def small():
    from timm.models import efficientnet as e, resnet as r
    basic, bottle = torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck
    same = dict(bn_eps=1e-3, pad_type='same')
    c = dict(num_classes=CLASSES)
    st, pth = '.safetensors', '.pth'
    n = [
        ('torchvision_resnet_basic', lambda: NarrowResNet(basic, [2, 2, 1, 1], [16, 16, 24, 32]), pth, '',
         'resnet18-custom'),
        ('torchvision_resnet_bottleneck', lambda: NarrowResNet(bottle, [1, 2, 2, 1], [4, 8, 8, 12]), pth, '',
         'resnet50-custom'),
        ('timm_resnet_basic', lambda: r.ResNet(r.BasicBlock, [1, 2, 1, 2], channels=(8, 16, 24, 24), **c), st,
         '--family timm', 'resnet18-custom'),
        ('timm_resnet_bottleneck', lambda: r.ResNet(r.Bottleneck, [2, 1, 2, 1], channels=(4, 8, 8, 12), **c), st,
         '--family timm', 'resnet50-custom'),
        ('timm_mobilenetv1', lambda: e._gen_mobilenet_v1('mobilenetv1_100', 0.1, **c), st, '', 'mobilenetv1-0.1'),
        ('timm_mobilenetv2', lambda: e._gen_mobilenet_v2('mobilenetv2_100', 0.1, **c), st, '', 'mobilenetv2_010'),
        ('torchvision_mobilenetv2', lambda: torchvision.models.MobileNetV2(width_mult=0.1, **c), pth, '',
         'mobilenetv2_010'),
        ('timm_mnasnet_b1', lambda: e._gen_mnasnet_b1('mnasnet_100', 0.1, **c), st, '', 'mnasnet_010'),
        ('timm_mnasnet_a1', lambda: e._gen_mnasnet_a1('semnasnet_100', 0.1, **c), st, '', 'semnasnet_010'),
        ('torchvision_mnasnet', lambda: torchvision.models.MNASNet(0.1, **c), st, '', 'mnasnet_010'),
        ('timm_edgetpu', lambda: e._gen_efficientnet_edge('efficientnet_es', 0.2, 0.4, **c), st, '--family timm',
         'efficientnet-edgetpu-s@width=0.2,depth=0.4'),
        ('timm_tf_edgetpu', lambda: e._gen_efficientnet_edge('tf_efficientnet_es', 0.15, 0.4, **same, **c), st,
         '--family timm_tf', 'efficientnet-edgetpu-s@width=0.15,depth=0.4'),
        ('timm_tf_v2_b', lambda: e._gen_efficientnetv2_base('tf_efficientnetv2_b0', 0.2, 0.25, **same, **c), st,
         '--family timm_tf', 'efficientnet-v2-b0@width=0.2,depth=0.25'),
        ('timm_v2_m', lambda: e._gen_efficientnetv2_m('efficientnetv2_m', 0.08, 0.1, **c), st, '--family timm',
         'efficientnet-v2-m-custom'),
        ('torchvision_v2', torchvision_v2, pth, '', 'efficientnet-v2-b0-custom'),
        ('timm_mnasnet_small', lambda: e._gen_mnasnet_small('mnasnet_small', 0.25, **c), st,
         '--model mnasnet_small.json', 'mnasnet-small'),
    ]
    return [row + ([NARROW], None) for row in n]


# -------------------------------------------------------------------------------------------------------- names
def names(out):
    """One line a tensor; NAME.bn.* stands for the weight, bias, running_mean and running_var of batch norm NAME. timm
    spells a ResNet as torchvision does."""
    tv, tm = torchvision.models, timm.create_model
    nets = [('torchvision', n) for n in ('resnet18', 'resnet50', 'mobilenet_v2', 'mnasnet1_0', 'efficientnet_v2_s')]
    nets += [('timm', n) for n in ('mobilenetv1_100', 'mobilenetv2_100', 'mnasnet_100', 'semnasnet_100',
                                   'tf_efficientnet_es', 'tf_efficientnetv2_b0', 'tf_efficientnetv2_s')]
    for lib, n in nets:
        with torch.device('meta'):
            model = getattr(tv, n)() if lib == 'torchvision' else tm(n)
        with open(os.path.join(out, 'names_%s_%s.tsv' % (lib, n)), 'w') as f:
            f.write('name\tshape\n')
            for k, v in model.state_dict().items():
                leaf = k.rsplit('.', 1)[1]
                if leaf == 'num_batches_tracked':
                    continue
                if v.dim() == 1 and k[:-len(leaf)] + 'running_var' in model.state_dict():
                    if leaf == 'weight':
                        f.write('%s\t%d\n' % (k[:-len('.weight')] + '.bn.*', v.shape[0]))
                    continue
                f.write('%s\t%s\n' % (k, 'x'.join(map(str, v.shape))))


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ('full', 'small', 'names'):
        sys.exit(__doc__.split('\n\n')[1])
    out = sys.argv[2]
    os.makedirs(out, exist_ok=True)
    if sys.argv[1] == 'names':
        names(out)
        return
    half = sys.argv[1] == 'small'
    entries = small() if half else full()
    asked = sys.argv[3:]
    unknown = set(asked) - {e[0] for e in entries}
    if unknown:
        sys.exit('unknown: %s; known: %s' % (' '.join(sorted(unknown)), ' '.join(e[0] for e in entries)))
    path = os.path.join(out, 'summary.tsv')
    old = [s for s in open(path)] if os.path.exists(path) else []
    for e in entries:
        if asked and e[0] not in asked:
            continue
        rows = make(out, e, half)
        old = [s for s in old if s.split('\t')[0] not in ('file', e[0] + e[2])]
        old += ['\t'.join(r) + '\n' for r in rows]
        with open(path, 'w') as f:
            f.write('file\toptions\tnetwork\th\tw\tlogits\tstd\tfloat32 deviation\tother epsilon\tother picture\n')
            f.writelines(old)


if __name__ == '__main__':
    main()

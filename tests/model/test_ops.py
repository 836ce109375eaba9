"""The stand-in for mmcv's compiled ops: where it installs itself, what it refuses, mmdet running on it."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import mmcv
import pytest
import torch

from stages.model import ops
from stages.model.ops import __main__ as launcher
from stages.model.ops import extension, loaders

ROOT = Path(__file__).parents[2]

# Faster R-CNN with a backbone of an eighth of its width.
REDUCED = """
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['stages.model.ops'], allow_failed_imports=False)
model = dict(
    backbone=dict(base_channels=8, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=16),
    rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16),
        bbox_head=dict(in_channels=16, fc_out_channels=32, num_classes=3)),
    train_cfg=dict(rpn_proposal=dict(max_per_img=50)),
    test_cfg=dict(rcnn=dict(score_thr=0.0)))
"""


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_config_installs_it_in_a_fresh_process_without_importing_mmdet(tmp_path):
    (tmp_path / "config.py").write_text(REDUCED)
    code = "import sys; from mmengine.config import Config;"
    code += f"Config.fromfile('{tmp_path}/config.py'); light = 'mmdet' not in sys.modules;"
    code += "import mmcv._ext, mmcv.ops, stages.model.ops;"
    code += "from mmcv.utils.ext_loader import check_ops_exist as check;"
    code += "print(light, mmcv._ext.__name__, check())"
    assert python(code) == "True stages.model.ops.extension True"


# Asks whether there are ops for every module that it gives options.
BUILD_AN_OPTIMIZER = """
import pkgutil

import torch

import stages.model.ops
from mmcv.utils.ext_loader import check_ops_exist
from mmengine.optim import build_optim_wrapper

# Python 3.14 has none.
vars(pkgutil).pop('find_loader', None)
options = dict(optimizer=dict(type='SGD', lr=0.1), paramwise_cfg=dict(bias_lr_mult=2.0))
rates = [group['lr'] for group in build_optim_wrapper(torch.nn.Linear(2, 1), options).param_groups]
print(check_ops_exist(), rates)
"""


def test_the_ops_are_there_without_pkgutils_find_loader():
    assert python(BUILD_AN_OPTIMIZER).splitlines()[-1] == "True [0.1, 0.2, 0.1]"


def test_a_missing_module_has_no_loader():
    assert loaders.find_loader("mmcv.no_ops") is None
    assert loaders.find_loader("mmcv").name == "mmcv"


def test_compiled_mmcv_wins(tmp_path):
    (tmp_path / "_ext.py").write_text('nms = "compiled"')
    code = f"import mmcv; mmcv.__path__.append({str(tmp_path)!r}); import stages.model.ops;"
    code += "print(mmcv._ext.nms, mmcv._ext.__file__)"
    assert python(code) == f"compiled {tmp_path}/_ext.py"


def test_broken_compiled_mmcv_is_replaced_with_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "_ext.py").write_text('raise ImportError("undefined symbol: _ZN3c10")')
    monkeypatch.setattr(mmcv, "__path__", [str(tmp_path)])
    monkeypatch.setattr(mmcv, "_ext", None)
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    ops.install()
    ops.install()
    assert sys.modules["mmcv._ext"] is mmcv._ext is extension
    assert [r.getMessage().count("undefined symbol: _ZN3c10") for r in caplog.records] == [1]


def test_launcher_runs_a_program_with_its_arguments(tmp_path, monkeypatch, capsys):
    program = tmp_path / "program.py"
    program.write_text("import sys, neighbour, mmcv.ops; print(__name__, sys.argv[1:])")
    (tmp_path / "neighbour.py").touch()
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", ["ops", str(program), "--epochs", "3"])
    launcher.main()
    assert capsys.readouterr().out == "__main__ ['--epochs', '3']\n"
    assert launcher.find_program("tools/test.py").parts[-4:] == (
        "mmdet",
        ".mim",
        "tools",
        "test.py",
    )
    with pytest.raises(SystemExit, match="no such program: nowhere"):
        launcher.find_program("nowhere.py")


def test_missing_op_is_refused_in_one_line_that_names_it():
    assert hasattr(extension, "some_future_op")
    assert not hasattr(extension, "__wrapped__") and not hasattr(extension, "__path__")
    for make in (copy.deepcopy, lambda op: pickle.loads(pickle.dumps(op))):
        with pytest.raises(NotImplementedError, match=r"mmcv op 'psamask_forward' .*pip install"):
            make(extension.psamask_forward)(1, key=2)
    from mmcv.ops import RoIPool

    with pytest.raises(NotImplementedError, match="'roi_pool_forward'") as caught:
        RoIPool(2)(torch.rand(1, 1, 4, 4), torch.rand(1, 5))
    assert "\n" not in str(caught.value)


def test_faster_rcnn_trains_and_predicts():
    from mmdet.apis import inference_detector, init_detector
    from mmdet.structures import DetDataSample
    from mmengine.config import Config
    from mmengine.structures import InstanceData

    torch.manual_seed(0)
    config = Config.fromstring(REDUCED, ".py")
    detector = init_detector(config, device="cpu", palette="random")
    sample = DetDataSample(
        metainfo=dict(img_shape=(96, 128), pad_shape=(96, 128), scale_factor=(1, 1))
    )
    boxes = torch.tensor([[10.0, 12, 60, 70], [70, 30, 120, 90]])
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 2]))
    batch = dict(inputs=[torch.randint(0, 255, (3, 96, 128))], data_samples=[sample])

    data = detector.data_preprocessor(batch, training=True)
    losses = detector.train()(**data, mode="loss")
    # The head's loss reaches the backbone through RoIAlign's backward alone.
    losses["loss_cls"].backward(retain_graph=True)
    through_regions = detector.backbone.layer4[0].conv1.weight.grad.clone()
    detector.parse_losses(losses)[0].backward()
    assert 0 < through_regions.abs().sum() < float("inf")
    assert 0 < detector.rpn_head.rpn_cls.weight.grad.abs().sum() < float("inf")

    image = torch.randint(0, 255, (96, 128, 3), dtype=torch.uint8).numpy()
    found = inference_detector(detector.eval(), image).pred_instances
    assert (
        len(found) > 0 and found.bboxes.shape == (len(found), 4) and found.scores.isfinite().all()
    )

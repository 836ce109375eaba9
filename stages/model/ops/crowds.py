"""The assigner of MMDetection's Faster and Cascade R-CNN for training sets with crowd boxes."""

from __future__ import annotations

from typing import Any

from mmdet.models.task_modules.assigners import AssignResult, MaxIoUAssigner
from mmengine.structures import InstanceData


class CrowdAwareAssigner(MaxIoUAssigner):
    """MaxIoUAssigner whose background leaves out the crowd boxes, as COCO's evaluation does.

    MaxIoUAssigner's own ignore_iof_thr also takes the priors of labelled objects that stand in a
    crowd, so that they are never learnt, and does nothing on images whose boxes are all crowds.
    Here a prior is ignored if it would be background and more than ignore_iof_thr of its area lies
    in one crowd box. Without crowd boxes nothing differs.
    """

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs: Any,
    ) -> AssignResult:
        """priors (n, 4) and bboxes (k, 4): x1, y1, x2, y2. gt_inds (n,): -1 ignored, 0 background,
        i + 1 box i."""
        result = super().assign(pred_instances, gt_instances, None, **kwargs)
        if gt_instances_ignore is None or not len(gt_instances_ignore) or not len(pred_instances):
            return result
        inside = self.iou_calculator(pred_instances.priors, gt_instances_ignore.bboxes, mode="iof")
        crowded = inside.max(dim=1).values > self.ignore_iof_thr
        result.gt_inds[crowded & (result.gt_inds == 0)] = -1
        return result

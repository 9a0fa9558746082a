import { defineStage, type Stage } from '../../api/index.js'
import { approve } from './approve.js'
import { base } from './base.js'
import { capture } from './capture.js'
import { checkLimits } from './check-limits.js'
import { command } from './command/command.js'
import { curve } from './curve.js'
import { depth } from './depth.js'
import { distill } from './distill.js'
import { evaluate } from './evaluate.js'
import { exportChild } from './export.js'
import { improve } from './improve.js'
import { prepare } from './prepare.js'
import { profile } from './profile.js'
import { refine } from './refine.js'
import { report } from './report.js'
import { score } from './score.js'
import { select } from './select.js'
import { solve } from './solve.js'
import { sweep } from './sweep.js'
import { train } from './train.js'
import { uptrain } from './uptrain.js'

/** The stages that come with puzzleflow. */
export const builtInStages: readonly Stage[] = [
  defineStage(prepare),
  defineStage(profile),
  defineStage(checkLimits),
  defineStage(capture),
  defineStage(depth),
  defineStage(distill),
  defineStage(score),
  defineStage(solve),
  defineStage(refine),
  defineStage(evaluate),
  defineStage(select),
  defineStage(uptrain),
  defineStage(base),
  defineStage(improve),
  defineStage(exportChild),
  defineStage(report),
  defineStage(sweep),
  defineStage(curve),
  defineStage(train),
  defineStage(approve),
  defineStage(command),
]

import type { Outputs } from '../api/index.js'
import { walk, withoutWriting, type KnownTask } from '../lineage/walk.js'
import { describedTypes } from '../plugins/loading/load.js'
import type { Evaluation } from '../puzzle/evaluation.js'
import { curveSoFar } from '../puzzle/train-with-checkpoints.js'
import type { LiveCandidate, LiveData, LiveStage } from '../report/html/live.js'
import type { FirstRound, ScoredVariant, TrainingPoint } from '../report/html/report-data.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Store } from '../store/index.js'
import { decisionsOn, describeTrouble } from '../workflows/trouble.js'
import type { SearchProgress, StageProgress } from '../workflows/types.js'
import { partialCurve } from './partial-curve.js'
import type { RunDocument } from './runs.js'
import { typed } from './typed.js'

/** What the store knows of a stage. */
interface Known {
  readonly tasks: readonly KnownTask[]
  /** Present once all of it is done. */
  readonly outputs: Outputs | undefined
}

/** What is known of a run that has not ended, from its progress and the store, whichever workers do its tasks. */
export async function liveDataOf(
  store: Store,
  document: RunDocument,
  progress: SearchProgress | undefined,
): Promise<LiveData> {
  const plan = (await store.readJson(document.plan)) as FrozenPlan
  const known = await knownOf(store, document, plan)
  const scores = known.get('score')?.outputs?.files.scores
  const solver = known.get('solve')?.outputs?.values as FirstRound['solver'] | undefined
  const candidates = candidatesOf(known.get('evaluate'))
  const training = await trainingOf(store, known.get('uptrain'))
  const curve = await partialCurve(store, document)
  const { run, specDigest, startedAt } = document
  return {
    ...{ run, specDigest, startedAt },
    ...(progress && {
      progress: {
        ...{ fraction: progress.fraction, paused: progress.paused },
        stages: progress.stages.map((stage) => liveStage(run, stage)),
      },
    }),
    ...(scores && { scores: (await store.readJson(scores)) as readonly ScoredVariant[] }),
    ...(solver && { solver }),
    ...(candidates.length > 0 && { candidates }),
    ...(training.length > 0 && { training }),
    ...(curve && { curve }),
    stages: [...known].map(([stage, { tasks }]) => {
      const records = tasks.flatMap(({ record }) => record ?? [])
      return { stage, tasks: records.length, seconds: records.reduce((sum, { seconds }) => sum + seconds, 0) }
    }),
  }
}

async function knownOf(store: Store, document: RunDocument, plan: FrozenPlan): Promise<ReadonlyMap<string, Known>> {
  const lookup = withoutWriting(store)
  const known = new Map<string, Known>()
  for await (const stage of walk(plan, lookup, await describedTypes(plan), document.given))
    if (stage.kind === 'planned')
      known.set(stage.planned.name, {
        tasks: stage.tasks,
        outputs: stage.outputs && ((await lookup.readJson(stage.outputs)) as Outputs),
      })
  return known
}

function liveStage(run: string, stage: StageProgress): LiveStage {
  const { state, done, total, reused, secondsLeft, question, trouble, waiting } = stage
  const decisions = waiting.flatMap((id) => decisionsOn(run, stage, id).map((words) => typed(...words)))
  return {
    ...{ stage: stage.stage, state, done, total, reused },
    ...(secondsLeft !== undefined && { secondsLeft }),
    notes: [
      ...(question === undefined ? [] : [`${question} Answer: ${typed('approve', run, stage.stage)}`]),
      ...(trouble ? [describeTrouble(trouble)] : []),
      ...(decisions.length > 0 ? [`Waits for: ${decisions.slice(0, 4).join(' or ')}`] : []),
    ],
  }
}

/** Solutions of the search as far as they are measured. */
function candidatesOf(evaluate: Known | undefined): LiveCandidate[] {
  return (evaluate?.tasks ?? []).flatMap(({ task, record }) => {
    if (!record) return []
    // eslint-disable-next-line no-restricted-syntax -- records hold any JSON; the stage's name says which
    const { ratios, child } = record.outputs.values as unknown as Evaluation
    return [{ name: task.id, throughput: ratios.throughput, kl: child.kl, accuracy: child.accuracy }]
  })
}

/** The curve of the uptraining: whole once it is done, before that up to a checkpoint that is on this machine. */
async function trainingOf(store: Store, uptrain: Known | undefined): Promise<readonly TrainingPoint[]> {
  const curve = uptrain?.outputs?.files.curve
  if (curve) return (await store.readJson(curve)) as readonly TrainingPoint[]
  const running = uptrain?.tasks.find(({ record }) => !record)
  return running ? curveSoFar(await store.checkpoint(running.key.key)) : []
}

import { decisionsOn, describeTrouble } from '../../workflows/trouble.js'
import { describeLeft } from '../../workflows/remaining.js'
import type { SearchProgress, StageProgress } from '../../workflows/types.js'
import { typed } from '../typed.js'

/** Where a run stands, in a line: `[ 43 %] 5 of 17 stages done; running: distill 120/288 (about 3 min left)`.
 *  @param finished  stages to name among those that are done */
export function summary(
  { stages, fraction, paused }: SearchProgress,
  { withTimes = true, finished = [] }: { readonly withTimes?: boolean; readonly finished?: readonly string[] } = {},
): string {
  const one = ({ stage, done, total, secondsLeft }: StageProgress) =>
    [
      stage,
      ...(total > 1 ? [`${done}/${total}`] : []),
      ...(withTimes && secondsLeft !== undefined && done < total ? [`(${describeLeft(secondsLeft)})`] : []),
    ].join(' ')
  const running = stages.filter(({ state }) => state === 'running').map(one)
  const asking = stages.filter(({ state }) => state === 'asking').map(({ stage }) => stage)
  const done = stages.filter(({ state }) => state === 'done').length
  return [
    `[${String(Math.round(fraction * 100)).padStart(3)} %] ${done} of ${stages.length} stages done`,
    ...(finished.length > 0 ? [` (now ${finished.join(', ')})`] : []),
    ...(paused ? ['; paused'] : []),
    ...(running.length > 0 ? [`; running: ${running.join(', ')}`] : []),
    ...(asking.length > 0 ? [`; waiting for approval: ${asking.join(', ')}`] : []),
  ].join('')
}

/** What a person is to decide about a stage, and the commands to type. */
export function decisions(run: string, stage: StageProgress): string[] {
  const { question, trouble, waiting } = stage
  return [
    ...(question === undefined ? [] : [`${question} Answer: ${typed('approve', run, stage.stage)}`]),
    ...(trouble ? [describeTrouble(trouble)] : []),
    ...waiting.map(
      (task) =>
        `waits for: ${decisionsOn(run, stage, task)
          .map((words) => typed(...words))
          .join(' or ')}`,
    ),
  ]
}

/** The same of all stages, each line with its stage. */
export const allDecisions = (run: string, { stages }: SearchProgress): string[] =>
  stages.flatMap((stage) => decisions(run, stage).map((line) => `${stage.stage}: ${line}`))

/** Whether tasks are done now, or will be without anybody's doing. */
export const isWorking = ({ stages, paused }: SearchProgress): boolean =>
  !paused &&
  stages.some(
    ({ state, waiting, done, total }) => state === 'running' && (total === 0 || waiting.length < total - done),
  )

import { describeLeft } from './remaining.js'
import type { SearchProgress, StageProgress } from './types.js'

/** Where a search stands, as Markdown for the Temporal UI. */
export function progressTable({ stages, fraction, paused, concurrency }: SearchProgress): string {
  const head = [
    '| stage | state | tasks | reused | left out | seconds of work | time |',
    '|---|---|---:|---:|---:|---:|---|',
  ]
  const lines = [
    `**${Math.round(fraction * 100)} %** of the stages' tasks are done${paused ? '. **Paused.**' : '.'} At most ${concurrency} tasks of a stage in flight.`,
    '',
    ...head,
    ...stages.map(row),
  ]
  const asking = stages.filter(({ state }) => state === 'asking')
  for (const { stage, question } of asking)
    lines.push('', `**${stage} waits for approval**: ${question ?? ''} Answer: \`puzzleflow approve RUN ${stage}\`.`)
  for (const { stage, trouble, waiting } of stages) {
    if (!trouble) continue
    lines.push('', `**${stage}**: ${trouble.message}${trouble.remedy ? ` Remedy: ${trouble.remedy}` : ''}`)
    if (waiting.length > 0) lines.push('', `Waiting for \`retry\` or \`skip\`: ${waiting.slice(0, 10).join(', ')}`)
  }
  return lines.join('\n')
}

const row = (s: StageProgress): string =>
  `| ${s.stage} | ${s.state} | ${s.total ? `${s.done} / ${s.total}` : ''} | ${s.reused || ''} | ${s.skipped.length || ''} | ${s.seconds ? s.seconds.toFixed(1) : ''} | ${s.secondsLeft === undefined ? '' : describeLeft(s.secondsLeft)} |`

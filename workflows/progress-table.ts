import { codeMarkdown, plainMarkdown as plain } from '../errors/markdown.js'
import { describeLeft } from './remaining.js'
import { decisionsOn, describeTrouble } from './trouble.js'
import type { SearchProgress, StageProgress } from './types.js'

/** Tasks that are named of those that wait for a decision. */
const mostNamed = 10

/** Where a search stands, as Markdown for the Temporal UI. */
export function progressTable(run: string, { stages, fraction, paused, concurrency, outcome }: SearchProgress): string {
  const head = [
    '| stage | state | tasks | reused | left out | seconds of work | time |',
    '|---|---|---:|---:|---:|---:|---|',
  ]
  const lines = [
    // What a person looks for before anything else.
    ...(outcome ? [outcome.ok ? plain(outcome.text) : `**${plain(outcome.text)}**`, ''] : []),
    `**${Math.round(fraction * 100)} %** of the stages' tasks are done${paused ? '. **Paused.**' : '.'} At most ${concurrency} tasks of a stage in flight.`,
    '',
    ...head,
    ...stages.map((stage) => row(stage, paused)),
  ]
  const asking = stages.filter(({ state }) => state === 'asking')
  for (const { stage, question } of asking)
    lines.push(
      '',
      `**${stage} waits for approval**: ${question ?? ''} Answer: \`npx puzzleflow approve ${run} ${stage}\`.`,
    )
  for (const stage of stages) {
    const { trouble, waiting } = stage
    if (!trouble) continue
    lines.push('', `**${stage.stage}**: ${plain(describeTrouble(trouble))}`)
    if (waiting.length > 0) lines.push('', ...waitingLines(run, stage))
  }
  return lines.join('\n')
}

const waitingLines = (run: string, stage: StageProgress): string[] => {
  const { waiting } = stage
  const command = (words: readonly string[]) => codeMarkdown(`npx puzzleflow ${words.join(' ')}`)
  const named = waiting
    .slice(0, mostNamed)
    .map((task) => `- waits for ${decisionsOn(run, stage, task).map(command).join(' or ')}`)
  const more = waiting.length - named.length
  return more > 0 ? [...named, `- and ${more} more: \`npx puzzleflow status ${run}\``] : named
}

// The Temporal UI would show 1/2 as a fraction, and break 1 / 2 in narrow columns.
const noBreak = '\u00a0'
function row(s: StageProgress, paused: boolean): string {
  const cells = [
    s.stage,
    paused && s.state === 'running' ? 'paused' : s.state,
    s.total ? `${s.done}${noBreak}/${noBreak}${s.total}` : '',
    s.reused || '',
    s.leftOut || '',
    s.seconds ? s.seconds.toFixed(1) : '',
    s.secondsLeft === undefined ? '' : describeLeft(s.secondsLeft),
  ]
  return `| ${cells.join(' | ')} |`
}

import type { Curve } from '../curve.js'
import { format } from '../format.js'
import { table } from './chart.js'
import { htmlDocument, type PageScript } from './document.js'
import { mostListed, scoreMap } from './layers.js'
import { html, type Content, type Markup } from './markup.js'
import { qualityChart } from './quality-chart.js'
import type { FirstRound, NamedRun, RunFacts, ScoredVariant, TrainingPoint } from './report-data.js'
import { certificate } from './search.js'
import { curveChart } from './sweep.js'
import { duration, time, trainingCurve } from './training.js'

/** Where a stage stands. */
export interface LiveStage {
  readonly stage: string
  readonly state: string
  readonly done: number
  readonly total: number
  readonly reused: number
  readonly secondsLeft?: number
  /** What a person should know: trouble, a question, tasks that wait for a decision. */
  readonly notes: readonly string[]
}

/** A child that was measured. */
export interface LiveCandidate {
  readonly name: string
  /** Child / parent. */
  readonly throughput: number
  /** nats per token. */
  readonly kl: number
  readonly accuracy: number | null
}

/** What is known of a run that has not ended. */
export interface LiveData extends NamedRun, Pick<RunFacts, 'startedAt' | 'stages'> {
  /** Absent while no worker answers. */
  readonly progress?: { readonly fraction: number; readonly paused: boolean; readonly stages: readonly LiveStage[] }
  readonly scores?: readonly ScoredVariant[]
  readonly solver?: FirstRound['solver']
  /** Children before uptraining. */
  readonly candidates?: readonly LiveCandidate[]
  readonly training?: readonly TrainingPoint[]
  /** Of a sweep. */
  readonly curve?: Curve
}

/**
 * A page about a run that has not ended. It asks the server that it came from for its version, and loads itself again when there is
 * another.
 * @param version  of this page
 */
export function livePage(data: LiveData, version: string): string {
  const { run, startedAt, progress, scores = [], solver, candidates = [], training, curve } = data
  const share = progress && `${Math.round(100 * progress.fraction)} %`
  return htmlDocument(
    share === undefined ? run : `${share} ${run}`,
    html`<h1>${run} ${progress?.paused ? 'is paused' : 'is running'}</h1>
      <p class="dim">Started ${startedAt}. This page shows what is known so far, and follows the run.</p>
      <p class="bad" id="gone" hidden>The command that served this page has ended. Figures are as of then.</p>
      ${
        progress
          ? html`<p class="progress">
              <progress value="${progress.fraction.toFixed(4)}" max="1" aria-label="Progress of the run"></progress>
              <b>${share}</b>
            </p>`
          : html`<p>No worker answers yet.</p>`
      }
      ${progress && stages(progress.stages)}
      ${
        solver &&
        html`<h2>The search</h2>
          <p>${certificate(solver)}</p>`
      }
      ${
        curve &&
        html`<h2>The curve so far</h2>
          ${curveChart(curve)}`
      }
      ${measured(candidates)} ${uptraining(training)}
      ${scores.length <= mostListed && scoreMap('Scores', scores, 1 + Math.max(...scores.map(({ layer }) => layer)))}
      ${time(data)}`,
    reload(version),
  )
}

function stages(all: readonly LiveStage[]): Markup {
  const look = new Map([
    ['done', 'good'],
    ['failed', 'bad'],
    ['asking', 'bad'],
    ['waiting', 'dim'],
  ])
  return html`<h2>Stages</h2>
    ${table(
      false,
      ['stage', 'state', '#tasks', '#reused', '#time left', ''],
      all.map(({ stage, state, done, total, reused, secondsLeft, notes }): readonly Content[] => [
        stage,
        html`<span class="${look.get(state) ?? ''}">${state}</span>`,
        total > 0 ? `${done} of ${total}` : '',
        reused > 0 ? reused : '',
        secondsLeft !== undefined && done < total ? `about ${duration(Math.max(1, Math.round(secondsLeft)))}` : '',
        notes.join(' '),
      ]),
    )}`
}

function measured(candidates: readonly LiveCandidate[]): Markup | false {
  if (candidates.length === 0) return false
  const points = candidates.map(({ name, throughput, kl }) => ({
    ...{ x: throughput, kl, label: name, isDominated: false },
    title: `${name}: KL ${format(kl)}, ${format(throughput)}x`,
  }))
  return html`<h2>Children that were measured</h2>
    ${qualityChart('KL against throughput of measured children', 'throughput, times the parent’s', [{ name: 'before uptraining', points }], '')}
    ${table(
      false,
      ['child', '#throughput', '#KL', '#accuracy'],
      candidates.map(({ name, throughput, kl, accuracy }) => [
        ...[name, `${format(throughput)}x`, format(kl), format(accuracy)],
      ]),
    )}`
}

function uptraining(curve: readonly TrainingPoint[] = []): Markup | false {
  const drawn = trainingCurve('KL during uptraining, up to its last checkpoint', curve)
  return (
    drawn &&
    html`<h2>Uptraining</h2>
      ${drawn}`
  )
}

/** Milliseconds between two questions for the version. */
const betweenQuestions = 1500

const reload = (version: string): PageScript => ({
  asksServer: true,
  text: `setInterval(async () => {
  try {
    const answer = await fetch('version')
    if (answer.ok && (await answer.text()) !== ${JSON.stringify(version)}) location.reload()
  } catch {
    document.getElementById('gone').hidden = false
  }
}, ${betweenQuestions})`,
})

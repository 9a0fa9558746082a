import type { SearchProgress } from '../../workflows/types.js'
import { describeTask, furthest, troubles } from '../at-work.js'
import { log } from '../output.js'
import type { Sighting, Watcher } from './sighting.js'
import { allDecisions, isWorking, summary } from './summary.js'

/** Milliseconds from one line about progress to the next. */
const beat = 10_000
/** Beats from one line to the next of a run that only waits for a person. */
const patience = 60

/**
 * Progress for files, pipes and programs that build things: a line every ten seconds, which says what has changed since the
 * one before it. Failures, and what a person has to decide, are said at once, each once.
 */
export class Beat implements Watcher {
  /** Seconds from one question for the tasks at work to the next. */
  readonly looksEvery = 5
  private readonly timer = setInterval(() => this.speak(), beat)
  private readonly told = new Set<string>()
  private readonly done = new Set<string>()
  private last: Sighting | undefined
  private beats = 0
  private idleSince: number | undefined

  constructor(private readonly say: (line: string) => void = log) {}

  see(sighting: Sighting): void {
    const isFirst = this.last?.progress === undefined && sighting.progress !== undefined
    // A question without an answer does not undo what was seen.
    this.last = { ...sighting, progress: sighting.progress ?? this.last?.progress }
    if (isFirst) {
      for (const { stage } of finishedStages(this.last.progress!)) this.done.add(stage)
      this.timer.refresh()
      this.speak()
    }
    const { run, progress } = this.last
    const asked = progress ? allDecisions(run, progress).map((line) => ({ key: line, line })) : []
    for (const { key, line } of [...troubles(sighting.tasks), ...asked]) {
      if (!this.told.has(key)) this.say(line)
      this.told.add(key)
    }
  }

  end(): void {
    clearInterval(this.timer)
  }

  private speak(): void {
    this.beats++
    if (!this.last?.progress) return this.say('Waiting for a worker to answer.')
    const { progress, tasks } = this.last
    if (isWorking(progress)) this.idleSince = undefined
    else if (this.idleSince === undefined) this.idleSince = this.beats
    else if ((this.beats - this.idleSince) % patience !== 0) return
    const finished = finishedStages(progress)
      .map(({ stage }) => stage)
      .filter((stage) => !this.done.has(stage))
    for (const stage of finished) this.done.add(stage)
    const task = furthest(tasks)
    this.say(`${summary(progress, { finished })}${task && isWorking(progress) ? `; ${describeTask(task)}` : ''}`)
  }
}

const finishedStages = ({ stages }: SearchProgress) => stages.filter(({ state }) => state === 'done')

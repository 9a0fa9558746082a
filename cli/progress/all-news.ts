import { asText } from '../../activities/journal.js'
import { describeTask, furthest, troubles } from '../at-work.js'
import { log } from '../output.js'
import { tailOf } from './journal-tail.js'
import type { Sighting, Watcher } from './sighting.js'
import { allDecisions, summary } from './summary.js'

/** Milliseconds after which a person wants to know whether anything happens. */
const silence = 4000

/** Says everything that happens to a run, and what its workers on this machine write to their log. */
export class AllNews implements Watcher {
  /** Seconds from one question for the tasks at work to the next. */
  readonly looksEvery = 5
  private readonly told = new Set<string>()
  private saidAt = Date.now()
  private readonly stopTail: () => void

  /** @param journal  the log of the store's tasks on this machine */
  constructor(run: string, journal: string) {
    this.stopTail = tailOf(journal, (entry) => {
      if (entry.run === undefined || entry.run === run) this.say(`        ${asText(entry)}`)
    })
  }

  see({ run, progress, tasks }: Sighting): void {
    const news = troubles(tasks)
    // The time that is left changes without news.
    if (progress) news.unshift({ key: summary(progress, { withTimes: false }), line: summary(progress) })
    if (progress) news.push(...allDecisions(run, progress).map((line) => ({ key: line, line })))
    for (const { key, line } of news) {
      if (!this.told.has(key)) this.say(line)
      this.told.add(key)
    }
    // A long task is news of its own.
    const task = furthest(tasks)
    if (task && Date.now() - this.saidAt > silence) this.say(`        ${describeTask(task)}`)
  }

  end(): void {
    this.stopTail()
  }

  private say(line: string): void {
    log(line)
    this.saidAt = Date.now()
  }
}

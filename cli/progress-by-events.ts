import type { SearchProgress } from '../workflows/types.js'

/**
 * Where a run stands, asked of its worker only when the run has another event: its state is a function of its history. While one task
 * takes long, asking each time is most of what following costs.
 */
export class ProgressByEvents {
  private events: number | undefined
  private known: { readonly events: number; readonly progress: SearchProgress } | undefined

  /** @param ask  undefined when no worker answers */
  constructor(private readonly ask: () => Promise<SearchProgress | undefined>) {}

  /** The run has so many events, according to the server; undefined where it did not say. */
  onEvents(count: number | undefined): void {
    this.events = count
  }

  async now(): Promise<SearchProgress | undefined> {
    // Read before it is asked: what happens meanwhile may be in the answer or not.
    const { events, known } = this
    if (known && known.events === events) return known.progress
    const progress = await this.ask()
    this.known = progress && events !== undefined ? { events, progress } : undefined
    return progress
  }
}

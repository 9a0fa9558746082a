/** Failures of an activity in a row by what a worker has seen of them; those of other workers are counted there. */
export class FailureCount {
  private readonly counts = new Map<string, Map<string, number>>()

  /** Counts one more of a kind. @returns how many there were, this one included */
  add(activity: string, kind: string): number {
    const own = this.counts.get(activity) ?? new Map<string, number>()
    this.counts.set(activity, own)
    const count = (own.get(kind) ?? 0) + 1
    own.set(kind, count)
    return count
  }

  /** The activity is over, or begins anew. */
  forget(activity: string): void {
    this.counts.delete(activity)
  }
}

/** Failures of each activity, by kind, as this worker sees them. Every worker counts for itself. */
export class FailureCount {
  private readonly counts = new Map<string, Map<string, number>>()

  /** Counts one more failure of a kind. @returns how many there were, including this one */
  add(activity: string, kind: string): number {
    const byKind = this.counts.get(activity) ?? new Map<string, number>()
    this.counts.set(activity, byKind)
    const count = (byKind.get(kind) ?? 0) + 1
    byKind.set(kind, count)
    return count
  }

  /** Forgets an activity that is over, or begins again. */
  forget(activity: string): void {
    this.counts.delete(activity)
  }
}

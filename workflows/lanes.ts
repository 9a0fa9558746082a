/** Divides the tasks that may be in flight among groups of tasks: each group has a lane, each lane a share. */
export class Lanes<Group> {
  private readonly taken = new Map<Group, number>()

  /** @param most  most lanes  @param concurrency  most tasks in flight in all lanes together */
  constructor(
    private readonly most: number,
    private concurrency: number,
  ) {}

  /** Lanes that are open: none that could do nothing. */
  private get open(): number {
    return Math.min(this.most, this.concurrency)
  }

  /** Those of lanes that are closed move to lanes that are free. */
  setConcurrency(concurrency: number): void {
    this.concurrency = concurrency
    this.move()
  }

  /** Whether one more may begin. */
  get free(): boolean {
    return this.taken.size < this.open
  }

  enter(group: Group): void {
    this.taken.set(group, this.lowest())
  }

  leave(group: Group): void {
    this.taken.delete(group)
    this.move()
  }

  /** Tasks that a group may have in flight at once: 0 when there are fewer lanes than there were when it began. */
  window(group: Group): number {
    const lane = this.taken.get(group)!
    if (lane >= this.open) return 0
    const share = Math.floor(this.concurrency / this.open)
    return share + (lane < this.concurrency % this.open ? 1 : 0)
  }

  private lowest(): number {
    const lanes = new Set(this.taken.values())
    let lane = 0
    while (lanes.has(lane)) lane++
    return lane
  }

  private move(): void {
    for (const [group, lane] of this.taken) if (lane >= this.open) this.taken.set(group, Math.min(lane, this.lowest()))
  }
}

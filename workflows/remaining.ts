/** Guesses when the tasks of a stage will be done, by how fast they were. */
export class Remaining {
  private worked = 0

  /** @param now  milliseconds: the workflow's clock, when its tasks begin or resume */
  constructor(private readonly begin: number) {}

  /** Tasks are done that were not there already. @returns seconds until `left` more are */
  done(now: number, left: number, tasks = 1): number {
    this.worked += tasks
    return ((now - this.begin) / 1000 / this.worked) * left
  }
}

/** For people: `about 3 min left`. @param about  `at least`, where only a part of what is left is known */
export function describeLeft(seconds: number, about = 'about'): string {
  const [unit, size] = (
    [
      ['d', 86_400],
      ['h', 3600],
      ['min', 60],
    ] as const
  ).find(([, s]) => seconds >= 1.5 * s) ?? ['s', 1]
  return `${about} ${Math.max(1, Math.round(seconds / size))} ${unit} left`
}

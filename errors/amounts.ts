/** Seconds for people: `30 ms`, `1 s`, `12 min`, `3.4 h`. */
export function describeSeconds(seconds: number): string {
  if (seconds < 0.1) return `${(1000 * seconds).toFixed(0)} ms`
  if (seconds < 1) return `${seconds.toFixed(1)} s`
  if (seconds < 90) return `${seconds.toFixed(0)} s`
  if (seconds < 5400) return `${(seconds / 60).toFixed(0)} min`
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} d`
}

/** A share for people: `98.4 %`, `100 %`, `0.25 %`. */
export const describeShare = (share: number): string => `${Number((100 * share).toPrecision(3))} %`

/** Bytes for people: `12.3 MB`. */
export const describeBytes = (bytes: number): string => scaled(bytes, ['B', 'kB', 'MB', 'GB', 'TB'])

/** A number of things for people: `740`, `3.58 million`. */
export const describeCount = (count: number): string =>
  scaled(count, ['', 'thousand', 'million', 'billion', 'trillion']).trimEnd()

/** @param units  each a thousand times the one before */
function scaled(value: number, units: readonly string[]): string {
  // What is rounded to three digits of a unit may be one of the next.
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value * 1.0005)) / 3)))
  return `${power === 0 ? Math.round(value) : (value / 1000 ** power).toPrecision(3)} ${units[power]}`
}

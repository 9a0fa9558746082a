/** Seconds for people: `30 ms`, `1 s`, `12 min`, `3.4 h`. */
export function describeSeconds(seconds: number): string {
  if (seconds < 0.1) return `${(1000 * seconds).toFixed(0)} ms`
  if (seconds < 1) return `${seconds.toFixed(1)} s`
  if (seconds < 90) return `${seconds.toFixed(0)} s`
  if (seconds < 5400) return `${(seconds / 60).toFixed(0)} min`
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} d`
}

/** Bytes for people: `12.3 MB`. */
export function describeBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))
  return `${power === 0 ? Math.round(bytes) : (bytes / 1000 ** power).toPrecision(3)} ${units[power]}`
}

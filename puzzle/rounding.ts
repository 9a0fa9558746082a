/** Four significant digits, as messages have them. */
export const short = (value: number): string => String(Number(value.toPrecision(4)))

/** Rounds to three significant digits. @param round  which way: `Math.floor` or `Math.ceil` */
export function rounded(value: number, round: (value: number) => number): number {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 2)
  // A quotient such as 1.6 may lie a rounding error beside it.
  const scaled = value / unit
  const whole = Math.round(scaled)
  return Number(((Math.abs(scaled - whole) < 1e-6 ? whole : round(scaled)) * unit).toPrecision(3))
}

/** Formats a number with four digits; a dash for a missing or infinite one, such as a ratio to 0. */
export const format = (value: number | null | undefined): string =>
  Number.isFinite(value) ? String(Number(value!.toPrecision(4))) : '–'

/** A number for people: four digits; a dash for what is none, the share of nothing for instance. */
export const format = (value: number | null | undefined): string =>
  Number.isFinite(value) ? String(Number(value!.toPrecision(4))) : '–'

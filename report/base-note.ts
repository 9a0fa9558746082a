/** The child of the first of two rounds, by its variants. */
export interface BaseResult {
  readonly layers: readonly { readonly attention: string; readonly ffn: string }[]
}

/** Says what scores are relative to. */
export function baseNote({ layers }: BaseResult): string {
  const slots = layers.flatMap(({ attention, ffn }) => [attention, ffn])
  const kept = slots.filter((variant) => variant === 'parent').length
  return `This is the second of two rounds. Scores, and so the solver’s figures, are relative to the trained child of the first round, which has ${slots.length - kept} of ${slots.length} blocks replaced; everything else is relative to the parent.`
}

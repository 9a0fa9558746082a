/** A layer's number in names of files and library entries: `03`, so that they sort in order. */
export const layerNumber = (layer: number): string => String(layer).padStart(2, '0')

/** Name of a layer in keys, groups of tasks and library entries: `layer03`. */
export const layerName = (layer: number): string => `layer${layerNumber(layer)}`

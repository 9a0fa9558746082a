/** A layer's number in names of files and library entries, such as `03`: sorted names are in the order of layers. */
export const layerNumber = (layer: number): string => String(layer).padStart(2, '0')

/** Name of a layer in keys, groups of tasks and library entries: `layer03`. */
export const layerName = (layer: number): string => `layer${layerNumber(layer)}`

import type { Tensor } from './types.js'

/**
 * Turns float32 arrays with their shapes, such as a block's weights, into tensors.
 *
 * @param prefix  put before each name. @default ''
 */
export const tensorsOf = (
  arrays: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>,
  prefix = '',
): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(arrays).map(([name, { shape, data }]) => [prefix + name, { dtype: 'float32', dims: shape, data }]),
  )

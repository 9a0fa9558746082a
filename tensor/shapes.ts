import { show, ShapeError, type Dim, type Shape } from './types.js'

/** Broadcasts two shapes by NumPy's rules. @throws ShapeError if two sizes differ and neither is 1 */
export function broadcast(operator: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  const out: Dim[] = []
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(operator, `${show(a)} and ${show(b)}: sizes ${x} and ${y} differ`)
    out.push(x === 1 ? y : x)
  }
  return out
}

/** Resolves an axis; a negative axis counts from the end. @throws ShapeError if the shape does not have the axis */
export function axisOf(operator: string, shape: Shape, axis: number): number {
  const position = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(position) || position < 0 || position >= shape.length)
    throw new ShapeError(operator, `${show(shape)} does not have an axis ${axis}`)
  return position
}

/** What went wrong with a template. `syntax`: it is not Jinja. `raised`: it called raise_exception. `python`: Python would raise
 *  an error, too. `unsupported`: Python could do it, but puzzleflow cannot. `bound`: it exceeds the limits of a rendering. */
export type JinjaErrorKind = 'syntax' | 'raised' | 'python' | 'unsupported' | 'bound'

/** An error in a template. `line` is set once it is known. */
export class JinjaError extends Error {
  line: number | undefined
  constructor(
    readonly kind: JinjaErrorKind,
    readonly said: string,
    line?: number,
  ) {
    super(said)
    this.line = line
  }
}

/** Creates an error that Python would raise. */
export const pythonError = (type: string, message: string): JinjaError =>
  new JinjaError('python', `${type}: ${message}`)

export const typeError = (message: string): JinjaError => pythonError('TypeError', message)
export const valueError = (message: string): JinjaError => pythonError('ValueError', message)

/** Creates an error for what Python supports and puzzleflow does not. Such features are never approximated. */
export const unsupported = (what: string): JinjaError => new JinjaError('unsupported', `${what} is not supported`)

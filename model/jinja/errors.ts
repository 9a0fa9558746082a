/** What went wrong with a template. `syntax`: it is not Jinja. `raised`: it called raise_exception. `python`: Python would raise an
 *  error here. `unsupported`: Python could, and this cannot. `bound`: it takes more than a rendering may. */
export type JinjaErrorKind = 'syntax' | 'raised' | 'python' | 'unsupported' | 'bound'

/** An error of a template; `line` is put in where it is known. */
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

/** Python's own error. */
export const pythonError = (type: string, message: string): JinjaError =>
  new JinjaError('python', `${type}: ${message}`)

export const typeError = (message: string): JinjaError => pythonError('TypeError', message)
export const valueError = (message: string): JinjaError => pythonError('ValueError', message)

/** What Python could do here, and this cannot: never approximated. */
export const unsupported = (what: string): JinjaError => new JinjaError('unsupported', `${what} is not supported`)

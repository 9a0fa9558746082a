/** Why a plugin that a spec names cannot be used: a mistake at its line of the spec. */
export type PluginProblem =
  | 'unknown-plugin' // it is not there
  | 'plugin-not-allowed' // the user has not said that it may run
  | 'broken-plugin' // its manifest, its code or what it exports is wrong
  | 'plugin-too-new' // it needs an interface that this version of puzzleflow does not have
  | 'plugin-clash' // a name in it is taken

/** A plugin that cannot be used. */
export class BadPlugin extends Error {
  constructor(
    readonly code: PluginProblem,
    message: string,
    /** What to do about it. */
    readonly hint?: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options)
    this.name = 'BadPlugin'
  }
}

import type { Command } from 'commander'
import { explain } from './explain.js'
import type { Common } from './options.js'
import { printJson, setQuiet, tell } from './output.js'
import { noteGiven } from './typed.js'

/** Runs a command: a failure becomes one clear message and its exit code (docs/operations.md). */
export function action<A extends unknown[]>(work: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return async (...args) => {
    const given = (args.at(-1) as Command).opts<Common & { readonly quiet?: boolean }>()
    noteGiven(given)
    setQuiet(given.quiet === true)
    try {
      await work(...args)
    } catch (error) {
      const { exitCode, text, json } = explain(error)
      if (given.json) printJson({ error: json })
      tell(text)
      process.exitCode = exitCode
    }
  }
}

import type { Command } from 'commander'
import { explain } from './explain.js'
import type { Common } from './options.js'
import { log, printJson } from './output.js'
import { noteGiven } from './typed.js'

/** Runs a command: a failure becomes one clear message and its exit code (docs/operations.md). */
export function action<A extends unknown[]>(work: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return async (...args) => {
    noteGiven((args.at(-1) as Command).opts<Common>())
    try {
      await work(...args)
    } catch (error) {
      const { exitCode, text, json } = explain(error)
      if ((args.at(-1) as Command).opts<Common>().json) printJson({ error: json })
      log(text)
      process.exitCode = exitCode
    }
  }
}

#!/usr/bin/env node
import { Command } from 'commander'
import { artifactCommands } from './commands/artifacts.js'
import { controlCommands } from './commands/control.js'
import { modelCommands } from './commands/models.js'
import { resultCommands } from './commands/results.js'
import { runCommands } from './commands/run.js'
import { specCommands } from './commands/specs.js'

const program = new Command('puzzleflow')
  .description('Find a faster child of a language model for the hardware that will serve it')
  .showSuggestionAfterError()
  .configureOutput({ writeOut: (text) => process.stdout.write(text), writeErr: (text) => process.stderr.write(text) })
  .exitOverride((error) => {
    // Bad arguments are invalid input.
    process.exit(error.exitCode === 0 ? 0 : 2)
  })

specCommands(program)
runCommands(program)
resultCommands(program)
modelCommands(program)
controlCommands(program)
artifactCommands(program)
await program.parseAsync()

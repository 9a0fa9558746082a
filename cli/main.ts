#!/usr/bin/env node
import '../tensor/telemetry.js'
import { Command } from 'commander'
import { addCommands } from './command-list.js'
import { printJson, tell } from './output.js'
import { exitCodes } from './exit-codes.js'
import { visibleInColour } from '../errors/visible.js'
import { packageVersion } from '../store/paths.js'

const program = new Command('puzzleflow')
  .version(packageVersion(), '--version')
  .description('Find a faster child of a language model for the hardware that will serve it')
  .showSuggestionAfterError()
  .configureOutput({
    writeOut: (text) => process.stdout.write(text),
    writeErr: (text) => process.stderr.write(visibleInColour(text)),
  })
  .exitOverride(({ exitCode, message }) => {
    if (exitCode === 0) process.exit(exitCodes.Done)
    // Bad arguments are invalid input; commander has said so on stderr.
    if (process.argv.includes('--json'))
      printJson({ error: { kind: 'InvalidInput', exitCode: exitCodes.InvalidInput, message } })
    process.exit(exitCodes.InvalidInput)
  })

await addCommands(program, process.argv[2])
// Whoever reads may have had enough: `puzzleflow scores RUN | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.Done)
  tell(`Nothing more can be written to stdout: ${error.message}`)
  process.exit(error.code === 'ENOSPC' ? exitCodes.OutOfDisk : exitCodes.Defect)
})
await program.parseAsync()

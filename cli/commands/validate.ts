import type { Command } from 'commander'
import { action } from '../action.js'
import { exitCodes } from '../exit-codes.js'
import { framed } from '../framed.js'
import { reading, setting, type SpecOptions } from '../options.js'
import { print, printJson } from '../output.js'
import { rememberedValidation } from '../remembered-validation.js'

export function validateCommand(program: Command): void {
  setting(reading(program.command('validate <spec>').description('list all mistakes in a spec'))).action(
    action(async (file: string, options: SpecOptions) => {
      const { set = [] } = options
      // Loading what checks a spec takes longer than most checks.
      const check = async () => (await import('../checked-spec.js')).checkSpec(file, options)
      const { plan, diagnostics, notes } = await rememberedValidation(file, set, check)
      if (!plan) process.exitCode = exitCodes.InvalidInput
      if (options.json)
        return printJson({ valid: plan !== undefined, digest: plan?.digest, diagnostics, ...(plan && { notes }) })
      for (const diagnostic of framed(diagnostics, set, process.stdout)) print(diagnostic)
      if (plan) print(`${file} is valid: ${plan.stages} stages, digest ${plan.digest.slice(0, 12)}`)
      for (const note of notes) print(`note: ${note}`)
    }),
  )
}

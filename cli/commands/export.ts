import { Option, type Command } from 'commander'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { exportFormats, storedType, taken, writing, type ExportType } from '../../model/index.js'
import { Failure } from '../../api/index.js'
import { action } from '../action.js'
import { reading, type SpecOptions } from '../options.js'
import { print, printJson } from '../output.js'
import { openAnyModel } from '../open-model.js'
import { entryOf } from '../../errors/foreign.js'

interface ExportOptions extends SpecOptions {
  readonly format: string
  readonly output: string
  readonly dtype?: ExportType
  readonly tokenIds?: boolean
}

const isEmpty = (folder: string): Promise<boolean> => writing(folder, () => readdirSync(folder).length === 0)

/** Models for other tools. */
export function exportCommand(program: Command): void {
  const formats = Object.entries(exportFormats).map(([name, { summary }]) => `${name}, ${summary}`)
  const dtypes = [...new Set(Object.values(exportFormats).flatMap((format) => format.dtypes))]
  reading(program.command('export <model>').description('write a model or child for other tools'))
    .addOption(
      new Option('--format <format>', formats.join('; ')).choices(Object.keys(exportFormats)).makeOptionMandatory(),
    )
    .requiredOption('-o, --output <folder>', 'must be empty or not exist yet')
    .addOption(
      new Option('--dtype <type>', 'how numbers are stored (default: as they are, or float32)').choices(dtypes),
    )
    .option('--token-ids', 'gguf: write numbers as tokens instead of a tokenizer')
    .action(action(exportModel))
}

async function exportModel(
  folder: string,
  { format, output, dtype, tokenIds, ...options }: ExportOptions,
): Promise<void> {
  const { write, dtypes } = entryOf(exportFormats, format)!
  if (dtype !== undefined && !dtypes.includes(dtype))
    throw new Failure('InvalidInput', `The format ${format} does not support ${dtype}`, {
      remedy: `Give --dtype ${dtypes.join(' or ')}.`,
    })
  if (existsSync(output) && !(statSync(output).isDirectory() && (await isEmpty(output)))) throw taken(output)
  const model = await openAnyModel(folder, options)
  const parentType = await storedType(model)
  const stored = dtype ?? (parentType !== undefined && dtypes.includes(parentType) ? parentType : 'float32')
  await write(model, output, stored, { ...(tokenIds === true && { tokenIds }) })
  const files = Object.fromEntries(
    readdirSync(output)
      .sort()
      .map((name) => [name, statSync(join(output, name)).size]),
  )
  if (options.json) printJson({ format, dtype: stored, folder: output, files })
  else {
    print(`${output}: ${format}, ${stored}`)
    for (const [name, bytes] of Object.entries(files)) print(`  ${name}  ${bytes.toLocaleString('en')} bytes`)
  }
}

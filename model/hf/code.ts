import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../store/paths.js'

/** Python that transformers runs, when the user trusts it, for models it has no class for. */
const files: readonly string[] = ['configuration_puzzleflow.py', 'modeling_puzzleflow.py']

/** Puts the code beside a checkpoint. It lies with the sources of this package. */
export async function copyCode(folder: string): Promise<void> {
  for (const name of files) await copyFile(join(packageRoot(), 'model/hf', name), join(folder, name))
}

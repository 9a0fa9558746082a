import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../store/paths.js'

/** Python code for models that transformers has no class for. transformers runs it if the user trusts it. */
const files: readonly string[] = ['configuration_puzzleflow.py', 'modeling_puzzleflow.py']

/** Copies the code into a checkpoint's folder. The package contains it in its sources' folder. */
export async function copyCode(folder: string): Promise<void> {
  for (const name of files) await copyFile(join(packageRoot(), 'model/hf', name), join(folder, name))
}

/**
 * Whether a name from outside names something in a folder, or below it: parts with single slashes between them, none of which is
 * `.`, `..`, or what no file can be called. Every name that becomes a path is checked here.
 */
export const isInnerPath = (name: unknown): name is string =>
  typeof name === 'string' && name.split('/').every((part) => isFileName(part))

/** Whether a name from outside names a file of a folder itself. */
export const isFileName = (name: unknown): name is string =>
  typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name)

/** Whether a path is a folder, or lies in it. Both are real paths, without links. */
export const liesIn = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)

import type { StageProgress } from './types.js'

/** What failed in a stage last and what can be done about it, in sentences. */
export function describeTrouble({ message, remedy }: NonNullable<StageProgress['trouble']>): string {
  if (remedy === undefined) return message
  return `${/[.!?:]$/.test(message) ? message : `${message}.`} Remedy: ${remedy}`
}

/** The commands that decide about a task of a stage that failed and waits, in words. */
export function decisionsOn(run: string, { stage, partial }: StageProgress, task: string): readonly string[][] {
  // A stage's only task has its name.
  const name = task === stage ? stage : `${stage}/${task}`
  return (partial ? ['retry', 'skip'] : ['retry']).map((command) => [command, run, name])
}

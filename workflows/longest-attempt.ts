/** Seconds that one attempt of a task may take if its stage has no `timeout`: 30 days. */
export const longestAttempt = 30 * 86_400

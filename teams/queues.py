"""The queues of short work, each with a worker of its own (`courseplatform.machine`). Training's: `training.services.queue`.

What reads or writes whole files may take minutes, and as long as whoever made the file wants it to take. So nothing else
waits behind it. An interview asks some hundred questions of a bot and may take hours, so it has a queue and a worker of its
own too: mail and polls of jobs at a provider wait for neither.
"""

QUICK = "quick"
"""Mail, polls, OpenAI runs: seconds each, and nothing here lasts because of what somebody sent or asked."""
INTERVIEWS = "interviews"
"""Standard interviews and their measuring: up to `evaluation.services.interviews.JOB_SECONDS` each."""
FILES = "files"
"""Dataset files, archives in and out, measuring and rewriting big versions."""

"""The queues of short work, each with a worker of its own (`courseplatform.machine`). Training's: `training.services.queue`.

What reads or writes whole files may take minutes, and as long as whoever made the file wants it to take. So nothing else
waits behind it: mail, polls of jobs at a provider and interviews have a queue and a worker of their own.
"""

QUICK = "quick"
"""Mail, polls, OpenAI runs, interviews: nothing here lasts because of what somebody sent."""
FILES = "files"
"""Dataset files, archives in and out, measuring and rewriting big versions."""

"""A stored file as an answer: streamed, or fetched by the browser from the storage itself where that is set up."""

from django.http import FileResponse, HttpResponseBase, HttpResponseRedirect

from teams.services.storage import files


def stored_file(
    place: str, name: str, filename: str, content_type: str = ""
) -> HttpResponseBase:
    """A download. Raises StorageAway and FileLost, which `courseplatform.storage_away` says in words."""
    if address := files.address(place, name, filename):
        return _without_referrer(HttpResponseRedirect(address))
    known = files.found(place, name)
    answer = FileResponse(
        files.opened(place, name),
        as_attachment=True,
        filename=filename,
        content_type=content_type or None,
    )
    if known is not None:
        answer["Content-Length"] = str(
            known.size
        )  # a download that breaks off is seen to be broken off
    return answer


def _without_referrer(answer: HttpResponseRedirect) -> HttpResponseRedirect:
    """The address opens the file for a minute: it is nobody else's, and stays in no cache."""
    answer["Cache-Control"] = "no-store, private"
    answer["Referrer-Policy"] = "no-referrer"
    return answer

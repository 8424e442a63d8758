from django.urls import URLPattern, path

from evaluation.views import chat

CHAT = "teams/<int:team_id>/chat/"
TALK = CHAT + "<uuid:key>/"
TURN = TALK + "turns/<uuid:turn_key>/"

urlpatterns: list[URLPattern] = [
    path(CHAT, chat.conversation_list, name="conversation_list"),
    path(CHAT + "new/", chat.conversation_new, name="conversation_new"),
    path(TALK, chat.conversation_detail, name="conversation_detail"),
    path(TALK + "delete/", chat.conversation_delete, name="conversation_delete"),
    path(TALK + "restore/", chat.conversation_restore, name="conversation_restore"),
    path(TALK + "export.<str:form>", chat.conversation_export, name="conversation_export"),
    path(TURN, chat.turn_detail, name="turn_detail"),
    path(TURN + "events/", chat.turn_events, name="turn_events"),
    path(TURN + "stop/", chat.turn_stop, name="turn_stop"),
    path(TURN + "retry/", chat.turn_retry, name="turn_retry"),
]

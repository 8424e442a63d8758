from django.urls import path

from teams.views import audit, budget, costs, course, notices, people, plan, sign_in, staff

urlpatterns = [
    path("", sign_in.home, name="home"),
    path("sign-in/", sign_in.sign_in, name="sign_in"),
    path("sign-out/", sign_in.sign_out, name="sign_out"),
    path("password/", sign_in.password_change, name="password_change"),
    path("password/forgotten/", sign_in.password_forgotten, name="password_forgotten"),
    path("password/set/<str:uidb64>/<str:token>/", sign_in.password_set, name="password_set"),
    path("join/", sign_in.join, name="join"),
    path("impersonate/", staff.impersonate, name="impersonate"),
    path("impersonate/stop/", staff.impersonate_stop, name="impersonate_stop"),
    path("courses/new/", course.course_new, name="course_new"),
    path("courses/<int:course_id>/settings/", course.course_edit, name="course_edit"),
    path("courses/<int:course_id>/codes/renew/", course.course_codes_renew, name="course_codes_renew"),
    path("courses/<int:course_id>/people/", people.course_people, name="course_people"),
    path("courses/<int:course_id>/people/list/", people.course_roster, name="course_roster"),
    path("courses/<int:course_id>/people/teams/", people.teams_form, name="teams_form"),
    path("courses/<int:course_id>/people/<int:membership_id>/", people.membership_edit, name="membership_edit"),
    path(
        "courses/<int:course_id>/people/<int:membership_id>/switch/",
        people.membership_switch,
        name="membership_switch",
    ),
    path("courses/<int:course_id>/sections/new/", people.section_new, name="section_new"),
    path("courses/<int:course_id>/sections/<int:section_id>/remove/", people.section_remove, name="section_remove"),
    path("courses/<int:course_id>/teams/new/", course.team_new, name="team_new"),
    path("courses/<int:course_id>/teams/<int:joined_id>/join/", course.team_join, name="team_join"),
    path("courses/<int:course_id>/teams/<int:edited_id>/settings/", course.team_settings, name="team_settings"),
    path("courses/<int:course_id>/costs.csv", costs.course_costs_csv, name="course_costs_csv"),
    path("courses/<int:course_id>/costs/by/<str:field>/", costs.course_costs_by, name="course_costs_by"),
    path("courses/<int:course_id>/costs/<int:spender_id>/", costs.course_team_costs, name="course_team_costs"),
    path("courses/<int:course_id>/prices/", costs.course_prices, name="course_prices"),
    path(
        "courses/<int:course_id>/budget/<int:request_id>/", budget.budget_request_answer, name="budget_request_answer"
    ),
    path("courses/<int:course_id>/plan/new/", plan.milestone_new, name="milestone_new"),
    path("courses/<int:course_id>/plan/<int:milestone_id>/", plan.milestone_edit, name="milestone_edit"),
    path("courses/<int:course_id>/notices/", notices.course_notices, name="course_notices"),
    path("courses/<int:course_id>/notices/new/", notices.announcement_new, name="announcement_new"),
    path("courses/<int:course_id>/audit/", audit.course_audit, name="course_audit"),
    path("courses/<int:course_id>/audit.csv", audit.course_audit_csv, name="course_audit_csv"),
    path("notices/", notices.notice_list, name="notice_list"),
    path("teams/<int:team_id>/budget/", budget.budget_request_new, name="budget_request_new"),
    path("teams/<int:team_id>/costs/", costs.team_costs, name="team_costs"),
]

from teams.models.audit import AuditEntry
from teams.models.course import Course, Membership, ProfessorAssignment, Role, Team
from teams.models.money import BudgetAccount, Confidence, Hold, HoldState, LedgerEntry, Method, Price, PriceKind
from teams.models.people import User

__all__ = [
    "AuditEntry",
    "BudgetAccount",
    "Confidence",
    "Course",
    "Hold",
    "HoldState",
    "LedgerEntry",
    "Membership",
    "Method",
    "Price",
    "PriceKind",
    "ProfessorAssignment",
    "Role",
    "Team",
    "User",
]
